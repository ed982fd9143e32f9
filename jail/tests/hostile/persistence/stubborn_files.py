"""Tries: to leave files that are hard to remove: locked folders, deep trees, links to elsewhere, odd names.
Meets: a cleaner under its own uid; what that could not remove would end the sandbox.
"""

import os


def main(leave):
    if leave:
        for place in ("/tmp", "/dev/shm"):
            path = place + "/deep"
            for _ in range(20):
                os.mkdir(path)
                path += "/" + "d" * 10
            os.mkdir(place + "/locked")
            open(place + "/locked/file", "w").close()
            os.chmod(place + "/locked", 0)
            os.symlink("/code", place + "/link")
            os.symlink("/nowhere", place + "/dangling")
            os.mkfifo(place + "/fifo")
            os.mkdir(os.fsencode(place) + b"/\xff\n name")
            with open(place + "/read-only", "w") as file:
                file.write("x")
            os.chmod(place + "/read-only", 0)
        return None
    return [ascii(name).strip("'") for place in ("/tmp", "/dev/shm") for name in os.listdir(place)]
