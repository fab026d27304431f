"""Sweeps on batch systems: a real SLURM of one node, and the job script for PBS."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli_support import COMMAND, ENVIRONMENT
from test_sweep_support import GRID, Bench, bench

from archsim.sweep.cluster import job_cluster
from archsim.sweep.model import Cluster

__all__ = ["bench"]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
PATH = f"{os.environ['PATH']}:/usr/sbin"
MISSING = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a SLURM of one node that runs for this test alone."""
    if MISSING or os.geteuid() != 0:
        pytest.skip(f"SLURM needs root and {', '.join(MISSING or PROGRAMS)}")
    folder = Path("/tmp") / f"archsim-slurm-{secrets.token_hex(4)}"  # short: it holds a socket
    for name in ("", "state", "spool"):
        (folder / name).mkdir()
    with socket.socket() as a, socket.socket() as b:
        for probe in (a, b):
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in (a, b)]
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, folder=folder, ports=ports))
    environment = {
        **ENVIRONMENT,
        "PATH": PATH,
        "SLURM_CONF": str(config),
        "ARCHSIM_SWEEP_CACHE": "off",
    }
    munge = ["munged", "--force", "--foreground"] + [
        f"--{name}={folder}/munge.{end}"
        for name, end in (
            ("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"),
            ("log-file", "log"), ("seed-file", "seed"),
        )
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    running = [subprocess.Popen(munge, **quiet)]  # type: ignore[call-overload]
    try:
        while not (folder / "munge.socket").exists():
            assert running[0].poll() is None, "munged ended"
            time.sleep(0.1)
        for daemon in ("slurmctld", "slurmd"):
            running.append(subprocess.Popen([daemon, "-D"], **quiet))  # type: ignore[call-overload]
        limit = time.monotonic() + 60
        while "idle" not in _output(["sinfo", "-h", "-o", "%t"], environment):
            assert time.monotonic() < limit, "the node never became idle"
            time.sleep(0.2)
        yield environment
    finally:
        _output(["scancel", "-f", "-u", "root"], environment)
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def test_a_sweep_on_slurm(bench: Bench, slurm: dict[str, str]) -> None:
    whole = bench.folder / "whole"
    bench.run(GRID, whole, cache=False)
    block = (
        f"cluster: {{queue: test, memory: 1 GB, walltime: '00:05:00', python: {sys.executable}}}"
    )
    path = bench.file(f"{GRID}{block}\n")
    command = ["sweep", str(path), "--out", str(bench.out), "--cluster", "slurm", "--workers", "2"]
    ran = subprocess.run(
        [*COMMAND, *command], env=slurm, cwd=bench.folder, capture_output=True, text=True,
        timeout=150,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "waiting for the first of 2 slurm jobs" in ran.stderr
    assert bench.table() == bench.table(whole)
    assert _output(["squeue", "-h"], slurm).split() == [] or _ending(slurm)


def _ending(environment: dict[str, str]) -> bool:
    """Whether no job is left that is not on its way out."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        states = set(_output(["squeue", "-h", "-o", "%T"], environment).split())
        if states <= {"COMPLETING"}:
            return True
        time.sleep(0.5)
    return False


def test_the_job_script_for_pbs() -> None:
    given = Cluster(queue="long", account="cim", cores=2, memory="8 GB", walltime="02:00:00",
                    prologue=["module load python"], directives=["-m n"])  # fmt: skip
    cluster = job_cluster("pbs", given)
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    for line in ("#PBS -q long", "#PBS -A cim", "#PBS -l walltime=02:00:00", "#PBS -m n",
                 "module load python"):  # fmt: skip
        assert line in script
    assert "--nworkers 2 " in script and "--nthreads 1 " in script
