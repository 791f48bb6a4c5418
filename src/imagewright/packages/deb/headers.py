"""Which Debian package has a C header, a library or a pkg-config file: the ones that builds of Python packages miss."""

import re
from functools import lru_cache

# package: names of headers (with their folder where it is included so), of libraries (-lNAME) and pkg-config modules
_TABLE = """
default-libmysqlclient-dev: mysql.h mysql/mysql.h -lmysqlclient mysqlclient libmariadb
libaio-dev: libaio.h
libasound2-dev: alsa/asoundlib.h -lasound alsa
libavcodec-dev: libavcodec/avcodec.h libavcodec
libavformat-dev: libavformat/avformat.h libavformat
libbluetooth-dev: bluetooth/bluetooth.h
libboost-dev: boost/config.hpp boost/version.hpp
libboost-python-dev: boost/python.hpp
libbz2-dev: bzlib.h -lbz2
libc6-dev: stdio.h stdlib.h errno.h limits.h
libcairo2-dev: cairo.h cairo/cairo.h -lcairo cairo
libcap-dev: sys/capability.h -lcap
libcups2-dev: cups/cups.h -lcups
libcurl4-openssl-dev: curl/curl.h -lcurl libcurl
libdbus-1-dev: dbus/dbus.h dbus-1
libeigen3-dev: Eigen/Core Eigen/Dense eigen3
libenchant-2-dev: enchant.h
libev-dev: ev.h -lev
libevent-dev: event.h event2/event.h -levent
libexpat1-dev: expat.h -lexpat
libffi-dev: ffi.h -lffi libffi
libfftw3-dev: fftw3.h -lfftw3
libfreetype-dev: ft2build.h freetype2
libfuse-dev: fuse.h fuse
libgdal-dev: gdal.h ogr_api.h gdal_version.h -lgdal
libgdbm-dev: gdbm.h
libgeos-dev: geos_c.h -lgeos_c
libgirepository1.0-dev: girepository.h gobject-introspection-1.0
libgl-dev: GL/gl.h -lGL
libglib2.0-dev: glib.h glib-2.0
libgmp-dev: gmp.h -lgmp
libgraphviz-dev: graphviz/cgraph.h graphviz/gvc.h -lcgraph
libgsl-dev: gsl/gsl_math.h -lgsl gsl
libgtk-3-dev: gtk/gtk.h gtk+-3.0
libhdf5-dev: hdf5.h -lhdf5
libicu-dev: unicode/utypes.h unicode/ucol.h icu-i18n icu-uc
libjpeg-dev: jpeglib.h -ljpeg libjpeg
libkrb5-dev: gssapi/gssapi.h gssapi.h krb5.h krb5/krb5.h krb5-gssapi
liblcms2-dev: lcms2.h lcms2
libldap-dev: lber.h ldap.h -lldap
libleveldb-dev: leveldb/db.h -lleveldb
liblmdb-dev: lmdb.h
liblz4-dev: lz4.h lz4frame.h liblz4
liblzma-dev: lzma.h -llzma
liblzo2-dev: lzo/lzo1x.h
libmagic-dev: magic.h -lmagic
libmagickwand-dev: wand/MagickWand.h MagickWand/MagickWand.h MagickWand
libmemcached-dev: libmemcached/memcached.h -lmemcached
libmpc-dev: mpc.h
libmpfr-dev: mpfr.h -lmpfr
libncurses-dev: ncurses.h curses.h -lncurses ncurses
libnetcdf-dev: netcdf.h -lnetcdf
libnuma-dev: numa.h
libopenblas-dev: cblas.h -lopenblas openblas
libopencv-dev: opencv2/core.hpp opencv4
libopenjp2-7-dev: openjpeg.h
libopenmpi-dev: mpi.h -lmpi
libopus-dev: opus.h opus
libpango1.0-dev: pango/pango.h pango pangocairo
libpcap-dev: pcap.h pcap/pcap.h -lpcap
libpcre2-dev: pcre2.h
libpcre3-dev: pcre.h
libpng-dev: png.h -lpng libpng
libpoppler-cpp-dev: poppler/cpp/poppler-document.h poppler-cpp
libpq-dev: libpq-fe.h postgres_fe.h -lpq libpq
libproj-dev: proj.h proj_api.h -lproj proj
libprotobuf-dev: google/protobuf/message.h -lprotobuf protobuf
libpulse-dev: pulse/pulseaudio.h
libreadline-dev: readline/readline.h -lreadline
librdkafka-dev: librdkafka/rdkafka.h -lrdkafka rdkafka
libre2-dev: re2/re2.h
librocksdb-dev: rocksdb/c.h rocksdb/db.h -lrocksdb
librrd-dev: rrd.h
libsasl2-dev: sasl/sasl.h -lsasl2
libsdl2-dev: SDL.h SDL2/SDL.h sdl2
libsnappy-dev: snappy-c.h snappy.h -lsnappy
libsndfile1-dev: sndfile.h sndfile
libsodium-dev: sodium.h -lsodium libsodium
libsqlite3-dev: sqlite3.h -lsqlite3 sqlite3
libssl-dev: openssl/ssl.h openssl/crypto.h openssl/opensslv.h openssl/evp.h openssl/err.h -lssl -lcrypto openssl
libsystemd-dev: systemd/sd-daemon.h systemd/sd-journal.h systemd/sd-messages.h libsystemd
libtiff-dev: tiffio.h
libusb-1.0-0-dev: libusb.h libusb-1.0
libuv1-dev: uv.h libuv
libvirt-dev: libvirt/libvirt.h libvirt
libwebp-dev: webp/decode.h
libx11-dev: X11/Xlib.h -lX11 x11
libxml2-dev: libxml/xmlversion.h libxml/tree.h libxml/parser.h libxml/xpath.h -lxml2 libxml-2.0
libxmlsec1-dev: xmlsec/xmlsec.h xmlsec1
libxslt1-dev: libxslt/xslt.h libxslt/xsltconfig.h -lxslt libxslt
libyaml-dev: yaml.h -lyaml yaml-0.1
libzmq3-dev: zmq.h -lzmq libzmq
libzstd-dev: zstd.h -lzstd libzstd
linux-libc-dev: linux/types.h linux/errno.h linux/input.h
llvm-dev: llvm-c/Core.h
ocl-icd-opencl-dev: CL/cl.h -lOpenCL
portaudio19-dev: portaudio.h -lportaudio portaudio-2.0
pybind11-dev: pybind11/pybind11.h
tcl-dev: tcl.h
tk-dev: tk.h
unixodbc-dev: sql.h sqlext.h -lodbc odbc
uuid-dev: uuid/uuid.h -luuid
zlib1g-dev: zlib.h -lz zlib
"""


def package_of_header(name: str) -> str:
    """The package to install for a header (``libpq-fe.h``), a library (``-lpq``) or a pkg-config module, or ""."""
    table = _table()
    return table.get(name, "") or table.get(re.sub(r"^.*?/", "", name), "")


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        package, _, names = line.partition(": ")
        table.update((name, package) for name in names.split())
    return table
