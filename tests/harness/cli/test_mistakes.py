"""Mistakes on the command line: one line that names the flag, and exit code 2. `main` runs in this process."""

import signal
import sys

import pytest

from harness.cli.main import main

pytestmark = pytest.mark.process

URL = ("run", "--target", "http://127.0.0.1:9", "--model", "llama")
CHAT = (*URL, "--scenario", "agent")


@pytest.fixture
def run(monkeypatch, capsys):
    """The exit code of the command line with these words, and what it printed on standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        return main(), capsys.readouterr().err

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep", "batchsize"), "did you mean 'batch_size'"),
        (("sweep", "batch_size=0"), "takes a whole number"),
        (("sweep", "batch_size", "--slo", "p99<fast"), "--slo"),
        (("sweep", "batch_size", "--target", "batch"), "did you mean 'batched'"),
        (("sweep", "batch_size", "--model", "digits"), "digits-"),
        (("run", "--target", "http://127.0.0.1:9"), "--target http://127.0.0.1:9: no response"),
        (("run", "--seconds", "soon"), "--seconds soon"),
        ((*CHAT, "--expect", "status=200"), "--expect: responses of a language model are compared with"),
        ((*CHAT, "--bank", "own.npz"), "leave it out (--prompts FILE.json with `expected` may be of use)"),
        ((*CHAT, "--reference", "digits-mlp"), "--reference: responses of a language model"),
        ((*CHAT, "--tolerance", "0.1"), "--tolerance: responses of a language model"),
        ((*CHAT, "--texts", "4"), "--texts: it is for --protocol openai-embeddings and rerank; leave it out"),
        ((*CHAT, "--protocol", "rerank", "--turns", "3"), "--turns: rerank has neither turns nor output"),
        ((*CHAT, "--protocol", "openai-embeddings", "--stream", "off"), "--stream: openai-embeddings has neither"),
        ((*CHAT, "--protocol", "http-json"), "protocol: http-json carries no conversations"),
        ((*URL, "--output-tokens", "9"), "--output-tokens: it is for conversations; leave it out (--scenario agent"),
        ((*URL, "--protocol", "openai"), "protocol: openai carries conversations; add --scenario agent"),
        (("sweep", "protocol=http-json,openai", *URL[1:]), "protocol: openai carries conversations; add --scenario"),
        (("run", "--target", "http://a:1,http://b:2"), "--target http://a:1,http://b:2: conversations alone go to"),
        (
            ("run", "--scenario", "plain_locust", "--target", "http://a:1,http://b:2"),
            "--target http://a:1,http://b:2: conversations alone go to several servers; give one URL",
        ),
        (("run", "--scenario", "scenarios/none.py"), "no such file"),
        (("report", "results/none"), "no run.json there"),
        (("sweep", "--resume", "results/none"), "no run.json there"),
        (("sweeep",), "did you mean 'sweep'"),
        (("sweep", "--resume", "results/none", "--seconds", "3"), "--seconds: a run that goes on keeps its own plan"),
        (("sweep", "concurrency=1,2", "--concurrency", "8"), "--concurrency: it is for"),
        (("sweep", "batch_size=1", "batch_size=2"), "batch_size: given twice"),
        (("run", "--seed", "-1"), "'--seed': -1 is not in the range"),
        (("capacity", "concurrency"), "concurrency: `capacity` looks for the load itself; leave it out"),
        (("capacity", "rate=100"), "rate: `capacity` looks for the load itself; leave it out"),
        (("capacity", "--slo", "p99<50ms,mean<5ms"), "--slo mean ≤ 5 ms: `capacity` searches limits on percentiles"),
        # Ten trials of 1 s, with 0.5 s of warm-up and 1 s beside them.
        (("capacity", "--seconds", "1s", "--budget", "24s"), "take 10 trials or more, about 25 s; give more"),
        (("run", "--arrivals", "gamma", "--rate", "10", "--cv", "nan"), "--cv nan: give a number above 0"),
        (("run", "--rate", "5", "--cv", "1"), "--cv: it is for --arrivals gamma"),
        (("run", "--rate", "5", "--think-time", "1s"), "--think-time: it is for --arrivals closed"),
        (("run", "--stages", "1s:0-5"), "--stages: it is for --arrivals users"),
        (("run", "--arrivals", "users", "--stages", "1s:0-0"), "nothing arrives"),
        (("run", "--seconds", "999999999h"), "give a week at most"),
        (("run", "--bank", "mine.npz"), "--bank: it is for a server that is not ours"),
        (("run", "--workers", "1", "--bind", "192.0.2.1:5557"), "--bind 192.0.2.1:5557: this machine has no such"),
        (("run", "--target", "127.0.0.1:8000"), "a server is given by its URL"),
        (("run", "--scenario", "README.md"), "ends in .py"),
        (("run", "--nosuch"), "No such option"),
        (("simulate", "results/none", "--rate", "inf"), "--rate inf: give a number above 0"),
        (("compare", "a", "b", "--margin", "nan"), "--margin nan: give a number of 0 or more"),
        (("compare",), "give two folders of runs, or two variants by --a and --b"),
        (("compare", "a", "b", "--seconds", "2s"), "--seconds: two folders hold what was measured"),
        (("compare", "--target-a", "http://127.0.0.1:9"), "--target-b: give the other variant's target too"),
        (("compare", "--a", "batch_size=4,8"), "batch_size: a variant has one value of each knob"),
        (
            ("compare", "--a", "batch_size=4", "--b", "batch_size=8", "--precision", "5%"),
            "--precision: the blocks end where they find a change of --margin",
        ),
        (("capacity", "--precision", "5%"), "--precision: `capacity` measures every rate for --seconds"),
        (("gate", "results/none", "--effect", "20%"), "--effect: two variants are compared on one machine"),
        (("gate", "results/none", "--force"), "--force: two variants are compared on one machine"),
        (("gate", "results/none", "--baseline", "none.json"), "--baseline none.json: no baseline of this version"),
        (("history", "none.json"), "BASELINE.json none.json: no baseline of this version"),
        (("history", "none.json", "--commit", "abc"), "--commit: it is for the DIR of a run"),
        (("prepare", "mosec", "--json"), "--json: it is for a model, and mosec is a server"),
        (("prepare", "mosec", "--format", "onnx"), "--format: it is for a model, and mosec is a server"),
        (("knobs", "batched", "--target", "threaded"), "--target: it is the same as TARGET"),
        (("sweep", "learning_rate", "batch_size"), "a run turns one kind"),
        (("sweep", "learnin_rate"), "did you mean 'learning_rate'"),
        (("sweep", "dropout", "--concurrency", "4"), "--concurrency: dropout is a knob of training"),
        (("sweep", "batch_size", "--seeds", "4"), "--seeds: batch_size is a knob of serving"),
        (("train", "learning_rate=nan"), "learning_rate takes a number"),
        (("train", "loss=entropy"), "loss takes categorical_crossentropy"),
        (("train", "epochs"), "`train` takes one value"),
        (("train", "--model", "digits"), "digits-"),
        (("train", "--resume", "results/none"), "no run.json there"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run, words, message):
    code, said = run(*words)
    assert code == 2, said
    assert message in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("error:")]) == 1
    assert said.splitlines()[-1].startswith("error:")


def test_locust_is_not_started_where_its_report_would_be_that_of_an_earlier_run(run, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    code, said = run("locust", "--headless", "--out", str(tmp_path))
    assert (code, said) == (2, f"error: --out {tmp_path}: it exists already; choose another folder\n")
