"""Plans on sim, on local and on a deployed system, in moto, compared where they end: `conform.py PROGRAM URL FOLDER CASES SEED`."""
import os
import subprocess
import sys

from account import ACCOUNT
from deployed import FOLDER, PROGRAM, SCALE, URL, System, cloud, deploy, profile
from front import Front

CASES, SEED = sys.argv[4:]


def main():
    account = deploy()
    process, environment = cloud()
    system = System(account, environment)
    front = Front(int(URL.split(":")[-1]), fis=system.fis)
    with open(os.path.join(FOLDER, "aws.toml"), "w") as file:
        file.write(profile(environment).replace("URL", front.url))
    try:
        for target in [["aws", "--yes-account", ACCOUNT, "--time-scale", str(SCALE), "--profile", "aws.toml"], ["local"]]:
            out = subprocess.run(
                [PROGRAM, "conformance", "--cases", CASES, "--seed", SEED, "--target", *target],
                cwd=FOLDER, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
                    **os.environ, "HOME": FOLDER, "XDG_STATE_HOME": FOLDER, "EDIT_GIT_TOKEN": environment["GIT_TOKEN"]})
            print(out.stdout, flush=True)
            # What is left to chance may differ; the verdict may not.
            assert out.returncode in (0, 1) and "the verdict" not in out.stdout, f"{target}: {out.returncode}"
    finally:
        front.end()
        system.end()
        process.kill()
        process.wait()


main()
