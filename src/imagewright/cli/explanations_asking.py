"""What is said of IW1xx and IW2xx: mistakes in what was typed or declared, and what cannot be resolved."""

from imagewright.cli.explanation import Explanation

ASKING = (
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
)
