"""What is said of IW3xx: a step of a build, a task or a file that is not what it says."""

from imagewright.cli.explanation import Explanation

BUILDING = (
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
)
