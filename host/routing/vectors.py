"""The routing function once more, to show that `vectors.json` can be met from its description alone.

Run by a test; exits with 1 and the first difference if this implementation and the file differ.
"""
import functools, json, pathlib, sys

M = 2**64 - 1
P1, P2, P3, P4, P5 = 0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0x85ebca77c2b2ae63, 0x27d4eb2f165667c5
Q1, Q2, Q3 = 0x9e3779b1, 0x85ebca77, 0xc2b2ae3d
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")

def at(data, i, size=8): return int.from_bytes(data[i:i + size], "little")
def rotl(x, n): return (x << n | x >> 64 - n) & M
def fold(a, b): return a * b & M ^ a * b >> 64
def pair(data, i, secret): return fold(at(data, i) ^ at(SECRET, secret), at(data, i + 8) ^ at(SECRET, secret + 8))

def finish(x, shift=37, factor=0x165667919e3779f9):
    x = (x ^ x >> shift) * factor & M
    return x ^ x >> 32

def finish_tiny(x): return finish((x ^ x >> 33) * P2 & M, 29, P3)

def xxh3(data):
    """XXH3 with 64 bits, seed 0 and the default secret."""
    n = len(data)
    if n == 0: return finish_tiny(at(SECRET, 56) ^ at(SECRET, 64))
    if n <= 3:
        x = data[0] << 16 | data[n >> 1] << 24 | data[-1] | n << 8
        return finish_tiny(x ^ at(SECRET, 0, 4) ^ at(SECRET, 4, 4))
    if n <= 8:
        x = at(data, n - 4, 4) + (at(data, 0, 4) << 32) ^ at(SECRET, 8) ^ at(SECRET, 16)
        x = (x ^ rotl(x, 49) ^ rotl(x, 24)) * 0x9fb21c651e98df25 & M
        x = (x ^ (x >> 35) + n) * 0x9fb21c651e98df25 & M
        return x ^ x >> 28
    if n <= 16:
        low, high = at(data, 0) ^ at(SECRET, 24) ^ at(SECRET, 32), at(data, n - 8) ^ at(SECRET, 40) ^ at(SECRET, 48)
        return finish(n + int.from_bytes(low.to_bytes(8, "little"), "big") + high + fold(low, high) & M)
    if n <= 128:
        total = n * P1
        for i in range((n - 1) // 32 + 1):
            total += pair(data, 16 * i, 32 * i) + pair(data, n - 16 * (i + 1), 32 * i + 16)
        return finish(total & M)
    if n <= 240:
        total = finish(n * P1 + sum(pair(data, 16 * i, 16 * i) for i in range(8)) & M)
        total += sum(pair(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16))
        return finish(total + pair(data, n - 16, 119) & M)
    lanes = [Q3, P1, P2, P3, P4, Q2, P5, Q1]
    def add(start, secret):
        for i in range(8):
            value = at(data, start + 8 * i)
            key = value ^ at(SECRET, secret + 8 * i)
            lanes[i ^ 1] = lanes[i ^ 1] + value & M
            lanes[i] = lanes[i] + (key & 2**32 - 1) * (key >> 32) & M
    for stripe in range((n - 1) // 64):
        add(64 * stripe, 8 * (stripe % 16))
        if stripe % 16 == 15:
            lanes = [(x ^ x >> 47 ^ at(SECRET, 128 + 8 * i)) * Q1 & M for i, x in enumerate(lanes)]
    add(n - 64, 121)
    merged = (fold(lanes[i] ^ at(SECRET, 11 + 8 * i), lanes[i + 1] ^ at(SECRET, 19 + 8 * i)) for i in range(0, 8, 2))
    return finish(n * P1 + sum(merged) & M)

def mix(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & M
    x = (x ^ x >> 27) * 0x94d049bb133111eb & M
    return x ^ x >> 31

def log2_entry(i):
    """floor(2^40 * log2(1 + i/256)), by squaring with 192 bits."""
    x, log = 256 + i << 184, 0
    for _ in range(40):
        x = x * x >> 192
        log = log << 1 | x >> 193
        x >>= x >> 193
    return log

LOG2 = [log2_entry(i) for i in range(256)] + [2**40]

def slot(key): return xxh3(key) >> 46
def slot_hash(slot): return mix(slot ^ 0x243f6a8885a308d3)
def node_hash(node): return mix(node ^ 0x13198a2e03707344)
def pair_hash(slot, node): return mix(slot_hash(slot) ^ node_hash(node))

def distance(h):
    if h == M: return 0
    zeros = 64 - (h + 1).bit_length()
    bits = (h + 1) << zeros & M >> 1
    i, p = bits >> 55, bits >> 25 & 2**30 - 1
    return (zeros + 1) * 2**40 - LOG2[i] - ((LOG2[i + 1] - LOG2[i]) * p >> 30)

def region(geo): return geo.rsplit("-", 1)[0]

def tier(geo, asker):
    if asker is None or geo is None: return 2
    return 0 if geo == asker else 1 if region(geo) == region(asker) else 2

def route(candidates, key, replicas, asker):
    def order(a, b): return a[0] - b[0] or a[1] * b[2] - b[1] * a[2] or a[3] - b[3]
    ranked = [(tier(c["geo"], asker), distance(pair_hash(slot(key), int(c["node_id"]))), c["weight"], int(c["node_id"])) for c in candidates]
    return [str(node) for *_, node in sorted(ranked, key=functools.cmp_to_key(order))[:replicas]]

def h16(x): return f"{x:016x}"

def computed(v):
    """The file's answers, from the file's questions."""
    nodes, key = lambda e: int(e["node_id"]), lambda e: bytes.fromhex(e["key"])
    return v | {
        "log2": LOG2,
        "keys": [e | {"hash": h16(xxh3(key(e))), "slot": slot(key(e))} for e in v["keys"]],
        "slots": [e | {"hash": h16(slot_hash(e["slot"]))} for e in v["slots"]],
        "nodes": [e | {"hash": h16(node_hash(nodes(e)))} for e in v["nodes"]],
        "distances": [e | {"distance": distance(int(e["hash"], 16))} for e in v["distances"]],
        "pairs": [e | {"hash": h16(pair_hash(e["slot"], nodes(e))), "distance": distance(pair_hash(e["slot"], nodes(e)))} for e in v["pairs"]],
        "routes": [e | {"nodes": route(v["candidates"], key(e), e["replicas"], e["from_geo"])} for e in v["routes"]],
    }

if __name__ == "__main__":
    given = json.loads(pathlib.Path(__file__).with_name("vectors.json").read_text())
    mine = computed(given)
    for name in given:
        for at, (theirs, ours) in enumerate(zip(given[name], mine[name])):
            if theirs != ours: sys.exit(f"{name}[{at}]: the file has {theirs}, this computes {ours}")
