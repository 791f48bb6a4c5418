"""Where a command in the sandbox finds what it is given."""

SECRETS = "/run/secrets"
"""Its secrets, a file each."""
