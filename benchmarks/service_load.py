"""Load on the web service: throughput beside the bare Python API, thousands of hostile requests, and a siege.

    python benchmarks/service_load.py --model DIR [--soak-model DIR] [--images FOLDER] [--out service.md]
    python benchmarks/service_load.py --model DIR --parts siege --quick

Starts ``reb-serve`` on loopback in a process of its own, with each HTTP parser that is installed. To measure another
version, set ``PYTHONPATH`` to its ``src``.
"""

import argparse
import io
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from service_client import BOUNDARY, FORM, Client, form, served  # beside this script

MIB = 2**20
BATCH = 5  # images of a request, where it has several


def main() -> None:
    """Measure and print."""
    options = parse()
    images = read_images(options.images)
    sections = ["# The service under load\n"]
    if "throughput" in options.parts:
        sections.append(throughput(options.model, images, options))
    hostile = {"soak": soak, "siege": siege}
    sections += [
        part(options.soak_model or options.model, images[0], parser, options)
        for name, part in hostile.items()
        if name in options.parts
        for parser in options.parsers
    ]
    text = "\n".join(sections)
    sys.stdout.write(text)
    if options.out:
        options.out.write_text(text)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of a packaged model")
    parser.add_argument("--soak-model", help="folder of a smaller one for the many requests")
    parser.add_argument("--images", type=Path, help="folder of images; drawn ones without it")
    parser.add_argument("--parts", nargs="*", default=["throughput", "soak", "siege"])
    parser.add_argument("--parsers", nargs="*", default=installed_parsers(), help="of HTTP")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--workers", type=int, default=1, help="of the service")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-round", type=int, default=60, help="images per way and round")
    parser.add_argument("--requests", type=int, default=10_000, help="of the second part")
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.per_round, options.requests = 1, BATCH, 60
    return options


def installed_parsers() -> list[str]:
    """HTTP parsers that uvicorn can take."""
    return [name for name in ("h11", "httptools") if find_spec(name)]


def read_images(folder: Path | None) -> list[bytes]:
    """Image files: those of a folder, or drawn ones of 300 pixels."""
    if folder:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [path.read_bytes() for path in files[:100]]
    generator = np.random.default_rng(0)
    drawn = (generator.integers(0, 255, (300, 300, 3), dtype=np.uint8) for _ in range(20))
    return [as_file(Image.fromarray(pixels), "JPEG") for pixels in drawn]


def as_file(image: Image.Image, kind: str) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def giant_header() -> bytes:
    """A PNG whose header says that it is 2³¹ - 1 pixels wide and high."""
    data = bytearray(as_file(Image.new("L", (8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def throughput(model: str, images: list[bytes], options: argparse.Namespace) -> str:
    """A table of the bare API and of the service with more and more clients, which take turns."""
    from reb_pipeline.images.decoding import read_image
    from reb_pipeline.inspection.inspector import Inspector

    inspector = Inspector.load(model)
    with served(model, "--workers", str(options.workers)) as (_, port, _):
        clients = [Client(port) for _ in range(max(options.clients))]

        def bare(image: bytes, _: Client) -> None:
            inspector.inspect(read_image(image, "image"))

        def over_http(image: bytes, client: Client) -> None:
            status = client.post(form(image))
            assert status == 200, status

        def in_batches(image: bytes, client: Client) -> None:
            body = batch_of([image] * BATCH)
            status = client.post(body, "/inspect/batch")
            assert status == 200, status

        ways: dict[str, tuple[Callable, int, int]] = {"Python, decode and inspect": (bare, 1, 1)}
        for n in options.clients:
            name = f"service, {n} client{'s' * (n > 1)}"
            ways[name] = (over_http, n, 1)
            ways[f"{name}, batches of {BATCH}"] = (in_batches, n, BATCH)
        found: dict[str, list[tuple[float, list[float]]]] = {way: [] for way in ways}
        for turn in range(options.rounds + 1):
            for way, (call, n, per_call) in ways.items():
                n_calls = options.per_round // per_call
                measured = one_round(call, images, clients[:n], n_calls)
                if turn:  # the first one warms up
                    found[way].append(measured)
    lines = [
        f"\n{options.rounds} rounds of {options.per_round} images each way, in turn; {options.workers} worker(s); "
        "percentiles of a request.\n",
        "| way | images/s | range | p50, ms | p99, ms | of the bare rate |",
        "|---|---|---|---|---|---|",
    ]
    rates = {way: [options.per_round / wall for wall, _ in rounds] for way, rounds in found.items()}
    bare_rate = np.median(next(iter(rates.values())))
    for way, rounds in found.items():
        p50, p99 = np.percentile([1000 * one for _, all_of in rounds for one in all_of], [50, 99])
        rate, low, high = np.median(rates[way]), min(rates[way]), max(rates[way])
        lines.append(
            f"| {way} | {rate:.1f} | {low:.1f}–{high:.1f} | {p50:.1f} | {p99:.1f} | {100 * rate / bare_rate:.0f} % |"
        )
    return "\n".join(lines) + "\n"


def one_round(
    call: Callable, images: list[bytes], clients: list[Client], n: int
) -> tuple[float, list[float]]:
    """Seconds of all and of each of ``n`` images, shared out among clients at the same time."""

    def work(number: int) -> list[float]:
        seconds = []
        for k in range(number, n, len(clients)):
            began = time.perf_counter()
            call(images[k % len(images)], clients[number])
            seconds.append(time.perf_counter() - began)
        return seconds

    for client in clients:  # the service hangs up on those that were silent for seconds
        client.connection.close()
    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        parts = list(pool.map(work, range(len(clients))))
    return time.perf_counter() - began, [one for part in parts for one in part]


def kinds(image: bytes) -> dict[str, tuple[int, Callable[[Client], int], set[int]]]:
    """Kind of request: its share in percent, its call and the right answers."""
    generator = np.random.default_rng(1)
    noise = generator.bytes(5_000)
    bomb = form(as_file(Image.new("1", (8_000, 8_000)), "PNG"))
    giant = form(giant_header())
    huge = form(bytes(21 * MIB))
    batch = batch_of([image, b"no image"])
    return {
        "image": (50, lambda c: c.post(form(image)), {200}),
        "batch of an image and a text": (4, lambda c: c.post(batch, "/inspect/batch"), {200}),
        "truncated image": (10, lambda c: c.post(form(image[: len(image) // 2])), {415, 422}),
        "text": (6, lambda c: c.post(form(b"no image")), {415}),
        "empty file": (6, lambda c: c.post(form(b"")), {415}),
        "random bytes": (4, lambda c: c.post(form(noise)), {415}),
        "PNG bomb of 64 megapixels": (5, lambda c: c.post(bomb), {413}),
        "PNG header of 2³¹ - 1 pixels square": (5, lambda c: c.post(giant), {413}),
        "another field": (3, lambda c: c.post(form(image, "file")), {422}),
        "broken form": (3, lambda c: c.post(b"no boundary"), {400}),
        "no form": (2, lambda c: c.post(image, kind="image/jpeg"), {415}),
        "body of 21 MiB": (1, lambda c: c.post(huge), {413, 0}),
        "connection closed half way": (1, Client.hang_up, {0}),
        "client gone after its upload": (3, lambda c: c.leave(request(form(image))), {0}),
        "headers of 200 KB": (2, lambda c: c.raw(GET + b"X: " + 200_000 * b"x"), {431, 400, 0}),
        "10,000 headers": (2, lambda c: c.raw(GET + 10_000 * b"X: 1\r\n"), {431, 400, 0}),
        "no HTTP": (2, lambda c: c.raw(noise + b"\r\n\r\n"), {400, 0}),
        "2,000 requests sent ahead": (1, lambda c: c.leave(2_000 * (GET + b"\r\n")), {0}),
        "a part of the headers": (2, lambda c: c.leave(GET), {0}),
    }


def batch_of(images: list[bytes]) -> bytes:
    """A form with several images."""
    closing = f"--{BOUNDARY}--\r\n".encode()
    parts = (form(image, "images").removesuffix(closing) for image in images)
    return b"".join(parts) + closing


GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


def request(body: bytes, path: str = "/inspect") -> bytes:
    """A whole request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def siege(model: str, image: bytes, parser: str, options: argparse.Namespace) -> str:
    """A table of what an honest client gets beside attackers, each wait at most 60 s; 256 files may be open."""
    side = 2_000 if options.quick else 7_000
    bomb = as_file(Image.new("1", (side, side)), "PNG")
    batch = request(batch_of((3 if options.quick else 32) * [bomb]), "/inspect/batch")
    rows = []

    with served(model, "--workers", "1", parser=parser, n_files=256) as (process_id, port, log):

        def honest(attack: str) -> None:
            began = time.perf_counter()
            status = Client(port).post(form(image))
            seconds = time.perf_counter() - began
            memory = psutil.Process(process_id).memory_info().rss / MIB
            rows.append(
                f"| {attack} | {status or 'none'} | {seconds:.1f} | {memory:.0f} | {log.n_bytes / MIB:.2f} |"
            )

        honest("nothing")
        silent = []
        for _ in range(300):
            with suppress(OSError):
                silent.append(socket.create_connection(("127.0.0.1", port), 5))
        time.sleep(1 if options.quick else 5)
        honest("300 silent connections")
        for one in silent:
            one.close()
        time.sleep(1)
        Client(port).leave(batch)
        honest(
            f"a batch of {side**2 / 1e6:.0f}-megapixel images ({len(batch) / MIB:.1f} MiB), whose client has gone"
        )
        waiting = threading.Thread(target=Client(port).raw, args=(batch,), daemon=True)
        waiting.start()
        time.sleep(1)
        waiting.join(60)
        honest("the same, whose client waits; a minute later")
    lines = [
        f"\nAn image of an honest client beside attackers, parser {parser}, 256 files.\n",
        "| beside | status | seconds | resident memory, MiB | log so far, MiB |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows]) + "\n"


def soak(model: str, image: bytes, parser: str, options: argparse.Namespace) -> str:
    """Tables of many requests, most of the broken ones at once with good ones, and of the memory meanwhile."""
    sent = kinds(image)
    weights = [share for share, _, _ in sent.values()]
    order = random.Random(0).choices(list(sent), weights, k=options.requests)
    answers: dict[str, Counter] = {kind: Counter() for kind in sent}
    step = max(1, options.requests // 10)
    memory = []
    with served(model, "--workers", str(options.workers), parser=parser) as (process_id, port, log):
        clients = [Client(port) for _ in range(4)]

        def work(number: int, kinds_sent: list[str]) -> list[tuple[str, int]]:
            return [(kind, sent[kind][1](clients[number])) for kind in kinds_sent]

        for begin in range(0, len(order), step):
            part = order[begin : begin + step]
            with ThreadPoolExecutor(4) as pool:
                for pairs in pool.map(work, range(4), [part[k::4] for k in range(4)]):
                    for kind, status in pairs:
                        answers[kind][status] += 1
            memory.append((begin + len(part), psutil.Process(process_id).memory_info().rss / MIB))
    lines = [
        f"\n{len(order):,} requests by 4 clients, parser {parser}; it lived to the end, logged no error "
        f"({log.n_bytes / MIB:.1f} MiB of log) and stopped with status 0.\n",
        "| sent | answers (status: number) | as they should be |",
        "|---|---|---|",
    ]
    for kind, counted in answers.items():
        shown = ", ".join(f"{status or 'none'}: {n:,}" for status, n in sorted(counted.items()))
        lines.append(
            f"| {kind} | {shown} | {'yes' if set(counted) <= sent[kind][2] else '**no**'} |"
        )
    lines += [
        "",
        f"| requests | {' | '.join(f'{n:,}' for n, _ in memory)} |",
        f"|---|{'---|' * len(memory)}",
        f"| resident memory, MiB | {' | '.join(f'{mib:.0f}' for _, mib in memory)} |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
