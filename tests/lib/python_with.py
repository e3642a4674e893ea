"""For tests that need packages: the python3 in PATH need not be the one that Debian's packages were installed for."""
import os
import subprocess
import sys


def modules(*names):
    """Goes on in a Python that has these modules; where there is none, the whole program is skipped."""
    for python in (sys.executable, '/usr/bin/python3'):
        if subprocess.run([python, '-c', f'import {", ".join(names)}'], stderr=subprocess.DEVNULL).returncode == 0:
            if python != sys.executable:
                os.execv(python, [python, *sys.argv])
            return
    print(f'1..0 # SKIP no python3 here has {" and ".join(names)}')
    sys.exit(0)
