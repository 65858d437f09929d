"""The commands, the seed, the hashes, and where the raw files are."""

from __future__ import annotations

from cnilab.facts import Fact
from cnilab.report.blocks import Block, Commands, Facts, Files, Heading, Paragraph
from cnilab.report.language import Language
from cnilab.report.language.text import Code
from cnilab.report.record import Record


def applies(run: Record) -> Fact | None:
    """Every run can be made again."""
    return None


def content(run: Record, language: Language) -> list[Block]:
    """Return commands, hashes and files."""
    manifest = run.manifest
    name = manifest["run_id"]
    told = {
        "raw": language.word("reproduce.folders", folders=language.count(len(run.run.done()), "folder")),
        "proof": language.word("reproduce.files", files=language.count(len(run.proofs), "file")),
    }
    files = sorted(
        (p for p in run.run.path.iterdir() if not p.name.startswith(".")), key=lambda p: (p.is_dir(), p.name)
    )
    facts = {
        "run": name,
        "seed": run.study.seed,
        "plan_hash": manifest["plan_hash"],
        "study_hash": manifest["study_hash"],
    }
    return [
        Heading(language.word("reproduce.title"), "reproduce"),
        Paragraph(language.say("reproduce.commands")),
        Commands(("make", f"cnilab study {name}/study.yaml")),
        Facts(
            tuple((language.word(f"reproduce.{key}"), (str(value),)) for key, value in facts.items()),
            "facts",
            code=True,
        ),
        Heading(language.word("reproduce.raw"), level=3),
        Paragraph(
            language.say(
                "reproduce.again",
                raw=Code("raw/"),
                proof=Code("proof/"),
                command=Code(f"cnilab report {name}"),
            )
        ),
        Files(tuple((p.name + "/" * p.is_dir(), told.get(p.name, "")) for p in files)),
    ]
