"""What is said of IW4xx to IW7xx: logins, networks, the local store, sandboxes, and where tasks run."""

from imagewright.cli.explanation import Explanation

SURROUNDINGS = (
    Explanation(
        "IW400",
        "a registry or index does not let you in",
        """The registry or package index answered that it does not know you, or that you may not do this.""",
        """\
Log in with `imagewright login REGISTRY` or `docker login REGISTRY`, which keep the login in the same place, and check what your
account may do.""",
    ),
    Explanation(
        "IW401",
        "the registry wants a login, and none was found, or not the right one",
        """\
The registry does not take this from a stranger, or does not know the user and password that were found.
The error lists the places where credentials were looked for, in the order in which they count, or the place where it found them.""",
        """\
`imagewright login REGISTRY` or `docker login REGISTRY`, or a token in one of the places that the error lists.
A credential helper that fails can be tried by hand, as the error says.
The image is complete in the local store, so nothing is built again.""",
    ),
    Explanation(
        "IW403",
        "the registry knows you, and refuses",
        """\
The login is right, but the account may not write to (or read from) this repository, or there is no such repository and a push
does not make one.
The registry's own words are in the error.""",
        """\
Use a token that has the right to write, or a repository that belongs to the account.
At Amazon ECR the repository is made by a push when the program `aws` is installed; elsewhere make it with the registry's own tools.""",
    ),
    Explanation(
        "IW500",
        "the network, a registry, an index or a mirror does not work",
        """Something outside this machine did not do what it should.""",
        """Run the same command again; what was downloaded or uploaded is kept.""",
    ),
    Explanation(
        "IW501",
        "the connection was refused",
        """\
The machine answers, but nothing listens at that port.
For `localhost` this means that the registry's server is not running on this machine.""",
        """\
Start the server, or correct the address.
`--registry local` builds without any registry and keeps the image in the local store.""",
    ),
    Explanation(
        "IW502",
        "no answer",
        """\
The address does not exist, or nothing came back within the time that is allowed for all tries together.
What was uploaded before is kept by the registry: the next push sends only the rest.""",
        """\
Check the address and the network; `imagewright doctor` tries the configured registry.
Behind a proxy check HTTPS_PROXY and NO_PROXY, which the error names when they were used.""",
    ),
    Explanation(
        "IW503",
        "the server answered with an error of its own",
        """The server could be reached, and answered with something that it should not: a 5xx status, or no valid document.""",
        """\
Run the command again later; it goes on where it stopped.
If it stays like this, show the server's words in the error to whoever runs it.""",
    ),
    Explanation(
        "IW504",
        "the registry cannot tell whether the image exists",
        """\
An answer that is neither yes nor no is never taken for a yes: a task would fail much later, when its image cannot be pulled.""",
        """\
Run it again when the registry works, or use `--registry local`.
`imagewright image check REFERENCE` asks for every part of an image; `--assume-exists` lets you say yes in the registry's place.""",
    ),
    Explanation(
        "IW510",
        "bytes are not what their digest says",
        """\
A file, blob or layer was damaged on the way or on the disk, or it was exchanged.
The bytes were thrown away and not used.""",
        """\
Run the command again.
If it happens again with the same file, its server or a proxy on the way changes it; if with different files, suspect the disk.""",
    ),
    Explanation(
        "IW511",
        "the signature of a Debian release is not right",
        """\
A mirror's index is used only when it is signed by a key of the Debian archive.
It was not signed, or by another key, or it is too old.""",
        """\
Correct the machine's clock if it is wrong.
Install the package `debian-archive-keyring` in its newest version; else use another mirror.""",
    ),
    Explanation(
        "IW520",
        "the local store does not work",
        """The folder of the local store cannot be read or written, or is not an OCI image layout that imagewright can use.""",
        """\
`imagewright cache dir` prints the folder; it must belong to you and be writable.
`--cache-dir FOLDER` or IMAGEWRIGHT_CACHE_DIR uses another one.""",
    ),
    Explanation(
        "IW521",
        "there is no such image in the local store",
        """The name is not that of an image that was built on this machine, or it was removed.""",
        """`imagewright image list` shows those that are there; `imagewright build FILE` makes it.""",
    ),
    Explanation(
        "IW522",
        "there is no space left",
        """\
The disk that holds the cache folder is full.
Unfinished files were removed again; everything that was complete still is.""",
        """\
`imagewright cache prune` removes what no image needs; `imagewright image rm NAME` removes an image.
`--cache-dir FOLDER` puts the cache on another disk.""",
    ),
    Explanation(
        "IW600",
        "this machine cannot do this kind of work",
        """A program or a right that this kind of build or run needs is missing.""",
        """`imagewright doctor` says what is missing and how to get it.""",
    ),
    Explanation(
        "IW601",
        "no sandbox can be made",
        """\
Tasks in containers, and the fields commands and apt_packages, run in a sandbox made of Linux namespaces, without a daemon.
The kernel, or a rule of the distribution (AppArmor on Ubuntu, seccomp in an outer container), does not allow it to you.
Images with only Python packages and files still build.""",
        """\
`imagewright doctor` says which rule it is and what allows it.
Inside Docker: `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`.""",
    ),
    Explanation(
        "IW602",
        "the builder is not there",
        """The ImageSpec, or a setting, names a builder that is not installed.""",
        """Leave `builder` out for the native one, or install the package that brings the builder.""",
    ),
    Explanation(
        "IW603",
        "the image is for another platform, and something of it has to run",
        """\
Commands run programs of the image. Those of another platform run here with an emulator alone, and none is registered.
Everything that only puts files into an image is built for any platform on any machine.""",
        """\
Debian and Ubuntu: `apt-get install qemu-user-static` registers one; expect what runs to take up to ten times as long.
Or build on a machine of that platform, or leave the field out.""",
    ),
    Explanation(
        "IW700",
        "the run was not accepted",
        """The place where the tasks should run refused the run, or cannot take it.""",
        """`imagewright run --container` runs it on this machine.""",
    ),
    Explanation(
        "IW701",
        "there is nowhere to run",
        """The run needs a place that is not configured, or not there.""",
        """`imagewright run --container` runs it on this machine.""",
    ),
)
