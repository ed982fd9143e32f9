"""Tries: a setuid program: the import, which has the template's uid, leaves one for executions below /code.
Meets: a mount without suid and a process that gains no rights: it runs as who started it.
"""

import os
import shutil
import subprocess

SECRET, PROGRAM = "/code/secret", "/code/as-template"

with open(SECRET, "w") as file:
    file.write("the template's")
os.chmod(SECRET, 0o600)
shutil.copyfile("/usr/bin/cat", PROGRAM)
os.chmod(PROGRAM, 0o6755)


def main():
    told = subprocess.run([PROGRAM, SECRET], capture_output=True, text=True)
    return told.stdout or "refused"
