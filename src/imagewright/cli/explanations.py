"""What `imagewright explain IWnnn` says: the meaning of every error code, and what helps. Needs no network."""

from collections.abc import Mapping

from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: a title, what it means and why it is an error, and what helps. Markdown, one sentence a line."""

    code: str
    title: str
    meaning: str
    helps: str


_ALL = (
    Explanation(
        "IW100",
        "imagewright itself failed",
        """\
Something happened that imagewright has no words for, so this is a mistake in imagewright, not in your files.
What was finished before it is kept: layers and images in the local store are complete, or not there at all.""",
        """\
Run the command again with `-v`: the traceback then says where it happened.
Report it together with that traceback and the output of `imagewright doctor`.""",
    ),
    Explanation(
        "IW101",
        "the command line, a config file or the Python file cannot be understood",
        """\
An option or argument does not exist or has a value that it cannot have, a config file has a mistake, or the file that was
named cannot be imported or holds no image and no workflow.""",
        """\
`imagewright COMMAND --help` lists the options; `imagewright run FILE WORKFLOW --help` lists a workflow's inputs.
`imagewright config show --origin` says which file or variable each setting comes from.""",
    ),
    Explanation(
        "IW102",
        "a field of an ImageSpec, or an argument of @task, cannot work",
        """\
Fields are checked when the ImageSpec is made, so that a mistake shows before anything is downloaded.
The usual ones: a bare string where a list belongs, a registry that is not `host` or `host:port`, a requirements file that is
not there, a path to copy that is absolute or has `..` in it.""",
        """\
Write lists as lists: `packages=["numpy"]`.
Paths are relative to the file that holds the ImageSpec, not to where the command is run.""",
    ),
    Explanation(
        "IW110",
        "a task needs a package that is not installed here",
        """\
`imagewright run` calls tasks in its own Python process, which is quick but has only the packages of this environment.
The task's image has the package; this environment has not.""",
        """\
`imagewright run --container FILE WORKFLOW` runs each task inside its image.
Or install the package into this environment.
Import it inside the task, not at the top of the file, so that the file can be read without it.""",
    ),
    Explanation(
        "IW200",
        "what was asked for cannot be resolved",
        """\
The requirements of the image could not be turned into a list of exact files.
The text of the error has the resolver's own words.""",
        """Change the requirement that it names, or say where else to look with `pip_index` or `pip_extra_index_url`.""",
    ),
    Explanation(
        "IW201",
        "there is no such package",
        """\
The package indexes that were asked do not know the name, or none of its versions fits the requirement.
A misspelt name is the usual reason; a private package whose index was not named is the other.""",
        """\
Correct the name.
For a private package name its index: `ImageSpec(pip_extra_index_url=["https://..."])`, or UV_INDEX in the environment.""",
    ),
    Explanation(
        "IW202",
        "the requirements do not fit together",
        """\
Each requirement can be met alone, but no choice of versions meets them all on this Python version and platform.
The error names the requirements that meet: one is yours, the other is often that of a package you asked for.""",
        """\
Relax a pin, or pin the other package to a version that allows it.
A newer or older `python_version` changes which versions there are to choose from.""",
    ),
    Explanation(
        "IW203",
        "the package has no wheel for the image's platform",
        """\
The package is published as source only, or its wheels are for other Python versions, platforms or C libraries.
Such a package is built in a sandbox, unless only wheels are allowed, or the image is for a platform that this machine cannot run.""",
        """\
Choose a version that has wheels for the image's Python and platform, or another `python_version`.
A wheel that you built yourself works: pass `pip_extra_args="--find-links FOLDER"`.""",
    ),
    Explanation(
        "IW204",
        "the native builder cannot build this field, or this Python version",
        """\
A field of an ImageSpec is never silently left out: what the builder cannot build stops the build before it starts.
The default base has the Python versions that Debian releases ship; the error names them.""",
        """\
Remove the field, or choose a Python version that the error names.""",
    ),
    Explanation(
        "IW205",
        "not on this machine, and --offline forbids to ask",
        """\
With `--offline` only remembered locks and files that were downloaded before are used.
Something that this image needs is not among them.""",
        """\
Run the same command once without `--offline`; after that it works without a network.
`imagewright config show --origin` says whether a file or variable made it offline.""",
    ),
    Explanation(
        "IW206",
        "a Debian package or release cannot be resolved",
        """\
The default base is put together from Debian packages of a release that has the wanted Python.
Either no mirror is known (the machine has no Debian apt configuration), or the mirror does not carry the release or package.""",
        """\
Name a mirror: `imagewright config set debian_mirror https://debian.example.com/debian`.
`imagewright doctor` shows which mirror is used.""",
    ),
    Explanation(
        "IW207",
        "two packages write the same file with different contents",
        """\
They are two wheels, or two conda packages.
Installers let the last one win, and say nothing: what an import finds depends on their order. imagewright asks.
Usual pairs: two builds of one project under different names (`opencv-python` and `opencv-python-headless`), or projects that
both ship a top-level `tests` folder.""",
        """\
Keep one of the two packages that the error names, or choose a version of one that does not have the file.
One that a dependency brings is kept out by `pip_extra_args="--override FILE"` with the line `opencv-python ; extra == 'never'`.
Where both have to be there, `builder_options={"allow_overwrite": ["name"]}` lists who may overwrite: they are installed
after all others, in this order, and the last one's files are what is found.""",
    ),
    Explanation(
        "IW208",
        "a source cannot be built: it is no Python project, or there is no such revision",
        """\
A folder, an archive or a git repository that a requirement names has neither pyproject.toml nor setup.py, or has no commit of
the name that was asked for.""",
        """\
Name the folder that has the project; inside an archive or a repository with `#subdirectory=FOLDER`.
Write a branch, a tag or a whole commit behind `@`: `git+https://host/repo.git@v1.0`.""",
    ),
    Explanation(
        "IW209",
        "a lock file, or the lock of an image, does not fit",
        """\
An image with a lock file is made of what the file lists and of nothing else, so no build changes the file.
It does not fit when the image asks for something else now, when `--locked` finds none, or when it cannot be read.
An image carries its lock with it, unless a tool wrote it that leaves unknown annotations out.""",
        """\
`imagewright lock FILE` writes it for what is asked for now; what still fits keeps its version.
`imagewright lock --upgrade FILE` takes what is newest. Both say what changes.
`imagewright explain IMAGE FILE` says what differs between an image and what would be built now.""",
    ),
    Explanation(
        "IW210",
        "a conda package wants to run a script when it is installed",
        """\
Conda packages become layers without anything being run.
A few of them bring a post-link script, which makes a cache or a link; what it does is not known before it has run.""",
        """\
`builder_options={"conda_post_link": "run"}` runs them in the sandbox, without a network; what they change is a layer.
`builder_options={"conda_post_link": "skip"}` leaves them, as pixi does unless told otherwise; often nothing is missed.""",
    ),
    Explanation(
        "IW211",
        "conda packages need an extra of imagewright's",
        """\
`conda_packages` are solved by py-rattler, and unpacked with a zstd library.
Both are large, so `pip install imagewright` leaves them out.""",
        """\
`pip install "imagewright[conda]"` brings them.
Only the machine that builds needs them: an image that is there, and a container that runs, do not.""",
    ),
    Explanation(
        "IW300",
        "a step of the build failed",
        """\
Layers that were finished before the step are kept and are not built again.""",
        """Read the step's own words in the error, correct the cause, and run the same command again.""",
    ),
    Explanation(
        "IW301",
        "a command ended with an exit code that is not 0",
        """\
The lines under the error are the last that the command wrote.
The layers before it are kept, so the next build begins at this command.""",
        """\
Exit code 127 means that the program is not in the image; 126 that it may not be executed; 137 that it was killed, mostly for
want of memory.""",
    ),
    Explanation(
        "IW302",
        "a layer cannot be written",
        """\
The contents of a layer do not fit into a tar archive or break a rule of the image format: a path twice, a name that is too
long, a file that changed while it was read.""",
        """Correct the file that the error names, and build again.""",
    ),
    Explanation(
        "IW303",
        "a package's archive is broken or hostile",
        """\
Wheels and Debian packages are read by strict rules: no path outside the package, no two readings of one archive, every file
listed in RECORD with the right digest.
This one breaks a rule, so nothing of it was used.""",
        """\
Download it again if it may be damaged: `imagewright cache prune --downloads` and build again.
If it comes from the index like that, choose another version and tell its authors; do not install it by other means first.""",
    ),
    Explanation(
        "IW304",
        "a package cannot be built from source",
        """\
The package has no wheel that fits, so its own build backend made one, in a sandbox on the image's base and without a network.
The backend failed; the lines under the error are from it.""",
        """\
Mostly a header or a program is missing, which a Debian package has: apt_packages=[...] when the image needs it too, else
builder_options={"build_apt_packages": [...]}.
Old packages name too few build requirements: builder_options={"build_requires": {"name": ["setuptools<81"]}}.
Wheels alone are installed with builder_options={"only_binary": True}.""",
    ),
    Explanation(
        "IW305",
        "a secret that a build needs is not on this machine",
        """\
`secrets` says which environment variable or which file has a secret, and `pip_secret_mounts` names files.
One that is needed now is not there, is empty, or is too short to be kept out of what is shown.
It is asked for before anything is done, and only when a command that names it has to run: what is in the cache needs none.""",
        """\
Set the variable in the environment of the build, or put the file where the error says.
In CI, pass the secret to the step that runs `imagewright`.""",
    ),
    Explanation(
        "IW306",
        "a command leaves a secret in the image",
        """\
What a command changed is searched for the secrets that it named: as they are, quoted for URLs, in base64 and in hexadecimal.
One was found in a file, a name, a link or an attribute, where whoever pulls the image could read it, so there is no layer.
The usual case: `git clone https://user:TOKEN@...` writes the URL to `.git/config`.""",
        """\
Remove the file at the end of the same command, or let the program read `/run/secrets/NAME` itself:
`curl --netrc-file /run/secrets/netrc`, `git -c credential.helper='store --file=/run/secrets/git-credentials' clone ...`.""",
    ),
    Explanation(
        "IW307",
        "bytecode cannot be compiled",
        """\
With `compile_bytecode=True` the image's own Python compiles the packages, in a sandbox and without a network.
It did not end well: it was killed, mostly for want of memory, or it cannot be started.
A source that is no Python for this interpreter is no error: it has no bytecode then.""",
        """\
Build again when other work on the machine is done; what was finished is kept.
Without `compile_bytecode` the image is the same but for its start, which takes longer.""",
    ),
    Explanation(
        "IW310",
        "a task failed",
        """\
The task's own code raised an exception, or its process ended with an exit code that is not 0.
The traceback above the error is the task's own.""",
        """\
`imagewright run FILE WORKFLOW` without `--container` runs the same task in this process, where a debugger works.
Images are kept: the next run starts at once.""",
    ),
    Explanation(
        "IW311",
        "a task took longer than it may",
        """The task was still running when its time was over, and was stopped with all the processes that it had started.""",
        """`imagewright run --timeout SECONDS` allows more; 0 is for ever.""",
    ),
    Explanation(
        "IW312",
        "a task ran out of memory",
        """The task used more memory than it may, or than the machine has, and the kernel stopped it.""",
        """Give the task more memory, or let it work on smaller pieces.""",
    ),
    Explanation(
        "IW313",
        "a value cannot be passed to or from a task",
        """\
Tasks get and return values of the types that they are annotated with, and the value is of another type, or its type cannot be
written down and read again in another process.""",
        """\
Annotate the task with the type it really gets or returns.
Files and folders are passed as `pathlib.Path`; connections, locks and generators cannot be passed at all.""",
    ),
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

EXPLANATIONS: Mapping[str, Explanation] = {explanation.code: explanation for explanation in _ALL}


def as_text(explanation: Explanation) -> str:
    """The explanation as a terminal shows it, and the Markdown of its section."""
    return f"{explanation.code}: {explanation.title}\n\n{explanation.meaning}\n\nWhat helps:\n{explanation.helps}\n"
