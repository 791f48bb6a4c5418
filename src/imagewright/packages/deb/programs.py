"""Which Debian package has a program: the ones that people's commands miss, from Debian 12's Contents indexes."""

from functools import lru_cache

_OF_THEIR_OWN_NAME = """
bc bear brotli cargo ccache chrpath cmake cpio cpp cppcheck curl cvs cython3 doxygen dumb-init dvipng ed
espeak espeak-ng expect fakeroot file fish flex fluidsynth gawk gcovr gdb gfortran ghc git git-lfs gosu gpg
gpgv gradle gzip htop inkscape jq lame latexmk lcov less lld lsof lz4 lzop m4 mc mediainfo meson mold nano
nasm ncdu nginx nmap npm octave odbcinst openssl p7zip pandoc parallel patch patchelf pigz pipx pv
redis-server rename rsync rustc sbcl scala screen shellcheck socat sox sqlite3 strace sudo swig tcpdump telnet
time tini tmux traceroute tree tshark uchardet unzip valgrind w3m wget whois wkhtmltopdf xauth xsltproc xxd
yasm zip zsh zstd
"""

_OTHERS = """
ansible-core: ansible
apache2-dev: apxs
aria2: aria2c
autoconf: autoconf autoheader autoreconf
automake: aclocal automake
awscli: aws
bind9-dnsutils: dig nslookup
binutils: ar as gprof ld nm objdump ranlib readelf strings strip
bison: bison yacc
bsdextrautils: hexdump
bzip2: bunzip2 bzip2
ca-certificates: update-ca-certificates
clang: clang clang++
coreutils: mkfifo nproc
cron: cron crontab
debianutils: which
default-jdk-headless: javac
default-jre-headless: java
default-libmysqlclient-dev: mysql_config
default-mysql-client: mysql
diffutils: diff3
dpkg-dev: dpkg-buildpackage
emacs-nox: emacs
fd-find: fdfind
ffmpeg: ffmpeg ffprobe
fontconfig: fc-list
g++: c++ g++
gcc: cc gcc
gdal-bin: gdalinfo
gettext: msgfmt
gettext-base: gettext
ghostscript: gs
gnuplot-nox: gnuplot
golang-go: go
graphviz: dot
hdf5-tools: h5dump
hdfs-cli: hdfs
imagemagick: convert identify
iproute2: ip
iputils-ping: ping
ldap-utils: ldapsearch
libgdal-dev: gdal-config
libgeos-dev: geos-config
libimage-exiftool-perl: exiftool
libopenmpi-dev: mpicc
libpq-dev: pg_config
libreoffice-common: libreoffice
libreoffice-core: soffice
libtool: libtoolize
libtool-bin: libtool
libxml2-utils: xmllint
llvm: llvm-config
locales: locale-gen
lsb-release: lsb_release
lua5.4: lua
make: gmake make
man-db: man
maven: mvn
mercurial: hg
net-tools: ifconfig netstat
netcat-openbsd: nc netcat
ninja-build: ninja
nodejs: node
openmpi-bin: mpirun
openssh-client: scp ssh ssh-keygen
openssh-server: sshd
p7zip-full: 7z
perl-base: perl
php-cli: php
pkgconf: pkg-config pkgconf
poppler-utils: pdfinfo pdftoppm pdftotext
postgresql-client: createdb pg_dump psql
procps: pkill ps sysctl top watch
proj-bin: proj
protobuf-compiler: protoc
psmisc: fuser killall pstree
python3-dev: python3-config
python3-pip: pip pip3
python3-virtualenv: virtualenv
qemu-system-x86: qemu-system-x86_64
r-base-core: R Rscript
rabbitmq-server: rabbitmqctl
redis-tools: redis-cli
ripgrep: rg
ruby: gem ruby
software-properties-common: apt-add-repository
subversion: svn
supervisor: supervisord
sysstat: iostat
tcl: tclsh
tesseract-ocr: tesseract
texinfo: makeinfo
texlive-latex-base: latex pdflatex
tk: wish
universal-ctags: ctags
unixodbc: isql
unrar-free: unrar
uuid-runtime: uuidgen
vim: vi vim
xdg-utils: xdg-open
xvfb: Xvfb xvfb-run
xz-utils: lzma xz
"""


def package_of(program: str) -> str:
    """The package to install for a program, or "" when this table does not know it."""
    return _table().get(program, "")


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    table = {name: name for name in _OF_THEIR_OWN_NAME.split()}
    for line in _OTHERS.strip().splitlines():
        package, _, programs = line.partition(": ")
        table.update((program, package) for program in programs.split())
    return table
