"""How `tradingbot restore` says what it did and what that proves."""

from dataclasses import asdict
from typing import Any

import typer

from app.commands.archives import size_text
from app.commands.audit_file import AuditReport
from app.commands.restoring import Restored


def say_restored(done: Restored) -> None:
    opening, manifest = done.opening, done.manifest
    what = "verified" if done.ok else "NOT SOUND"
    if done.kept:
        what = "restored" if done.ok else "restored, and NOT SOUND"
    typer.echo(f"{what}: {done.address}")
    typer.echo(
        f"  taken {opening.taken_at:%Y-%m-%d %H:%M:%S} UTC by release {opening.release} from {opening.dialect}, "
        f"schema {opening.revision}"
    )
    note = "the note beside it agrees" if done.note_agrees else "there is no note beside it to compare with"
    typer.echo(f"  archive      {size_text(done.bytes)}, every byte authenticated, complete; {note}")
    typer.echo(
        f"  tables       {len(manifest.tables)} with {manifest.rows:,} rows: loaded, read back, count and SHA-256 agree"
    )
    _say_chain(done)
    _say_replay(done)
    if done.paused:
        typer.echo(
            f"  {', '.join(done.paused)} is PAUSED: no entries until you resume. Its records end when the backup was "
            "taken; compare positions and orders with the exchange first"
        )
    typer.echo(f"  took {done.seconds:.1f} s")


def _say_chain(done: Restored) -> None:
    if done.chain_ok:
        typer.echo(f"  audit chain  {done.events:,} events add up to {done.manifest.head}")
    else:
        why = (
            done.chain.why or f"it ends at event {done.chain.count} and the manifest vouches for {done.manifest.events}"
        )
        typer.echo(f"  audit chain  BROKEN at event {done.chain.bad_seq or done.chain.count}: {why}")


def _say_replay(done: Restored) -> None:
    replayed = done.replayed
    if replayed is None:
        typer.echo(f"  projections  CANNOT BE REBUILT: {done.unreadable}")
    elif replayed.ok:
        typer.echo(f"  projections  {replayed.events:,} events rebuild {replayed.rows:,} rows, all of them as stored")
    else:
        typer.echo(
            f"  projections  {replayed.different:,} rows are NOT what the events say (tradingbot replay lists them)"
        )


def restored_data(done: Restored) -> dict[str, Any]:
    return {
        "ok": done.ok,
        "address": done.address,
        "taken_at": done.opening.taken_at.isoformat(),
        "release": done.opening.release,
        "dialect": done.opening.dialect,
        "revision": done.opening.revision,
        "bytes": done.bytes,
        "note_agrees": done.note_agrees,
        "tables": {name: tally.rows for name, tally in done.manifest.tables.items()},
        "events": done.events,
        "head": done.manifest.head if done.chain_ok else done.chain.head_hash,
        "chain_ok": done.chain_ok,
        "chain_why": done.chain.why,
        "replay_ok": done.replayed is not None and done.replayed.ok,
        "replay_why": done.unreadable,
        "differences": [asdict(found) for found in done.replayed.differences] if done.replayed else [],
        "restored": done.kept,
        "paused": done.paused,
        "seconds": round(done.seconds, 3),
    }


def say_audit(done: AuditReport) -> None:
    typer.echo(f"{done.file}: the audit log of {done.address}")
    if done.ok:
        typer.echo(f"  {done.events:,} events add up to {done.head}")
    else:
        typer.echo(
            f"  THE CHAIN IS BROKEN at event {done.broken_at}; {done.events:,} events before it add up to {done.head}"
        )


def audit_data(done: AuditReport) -> dict[str, Any]:
    return {
        "ok": done.ok,
        "address": done.address,
        "file": str(done.file),
        "taken_at": done.opening.taken_at.isoformat(),
        "events": done.events,
        "head": done.head,
        "broken_at": done.broken_at,
    }
