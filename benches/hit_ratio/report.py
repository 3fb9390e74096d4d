"""The document: tables in Markdown, a plot in SVG."""
import os, platform, statistics, subprocess

BOUNDS = ["exact LRU", "Belady"]


def write(options, figures, shares, policies):
    """Writes both from figures named `TRACE SHARE% SERVER POLICY`."""
    cells = [f"{name} {share:.0%}" for name in options.traces for share in shares]
    columns = [(server, policy) for policy in options.policies for server in policies if policy in policies[server]]
    columns += [(server, bound) for bound in BOUNDS for server in policies]
    ratio = lambda cell, column: figures[f"{cell} {column[0]} {column[1]}"]
    mean = lambda column: statistics.fmean(ratio(cell, column) for cell in cells)
    image = os.path.basename(options.document) + ".svg"
    with open(options.document + ".md", "w") as file:
        put = lambda *lines: print(*lines, sep="\n", file=file)
        put(f"# {os.path.basename(options.document)[:10]}: which keys are kept: hit ratios beside redis-server 7.0.15", "",
            *machine(), "", *method(options, figures), "", f"![hit ratio by trace, share and policy]({image})", "",
            "## Policy by policy", "",
            "Points of hit ratio by which Minium is ahead, on average over all traces and shares, at worst, and without the loop, which fits",
            "into the same memory here and does not there. (Exact LRU and Belady: of caches that hold as many keys as Minium does.)", "", *comparison(options, cells, ratio), "",
            "## Hit ratios, in percent of all requests", "")
        for kind in "allkeys", "volatile", "":
            group = [column for column in columns if column[1].partition("-")[0] == kind or not (kind or "-" in column[1])]
            if not group:
                continue
            put(row(["trace, share", *(f"{server} {policy}" for server, policy in group)]), row(["---"] + ["---:"] * len(group)))
            for cell in cells:
                put(row([cell, *(f"{ratio(cell, column):.2f}" for column in group)]))
            put(row(["**mean**", *(f"**{mean(column):.2f}**" for column in group)]), "")
    with open(options.document + ".svg", "w") as file:
        file.write(plot(options.traces, shares, columns, ratio))


def row(words):
    return "| " + " | ".join(words) + " |"


def machine():
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [f"Minium at {commit}; redis-server {redis.removeprefix('v=')}; {os.cpu_count()} processors, "
            f"{platform.system()} {platform.release()}. Command: `benches/hit_ratio/run.py docs/benchmarks/DATE-hit-ratio`."]


def method(options, figures):
    loaded = {server: figures[f"{options.traces[0]} bytes {server}"][1] / options.keys for server in ("redis", "minium")}
    return [
        f"Each trace has {options.requests:,} requests for up to {options.keys * 3 // 2:,} keys of 16 bytes with values of 64 bytes (trace `sizes`: 64 bytes",
        "to 16 KiB). A request is a GET, and a SET after a miss; 64 are under way at once, and a key that comes twice among them is asked for again",
        "with the next ones, after its SET. Cold misses count. Both servers have the same room for keys: 5%, 10% or 25% of what all keys take",
        "in redis-server; `maxmemory` is that and what the server uses when empty, 0.9 MB there and half as much here. (At the very same",
        "`maxmemory` these small caches would look better here by those bytes, which mean nothing to a large one.)",
        f"A key takes {loaded['redis']:.0f} bytes there and {loaded['minium']:.0f} here. `maxmemory-samples` is 5.",
        "**Virtual time**: a clock preloaded into both servers goes on by 1 ms per request, so Redis's LRU clock (1 s) ticks once per 1000",
        "requests, and LFU counters sink every 60,000. Policies `volatile-*` see keys with deadlines far away, dealt out at random.",
        "The bounds are simulated with the bytes that a key takes in either server. On `sizes`, where no rule is known to be best, Belady is a mark only.",
    ]


def comparison(options, cells, ratio):
    yield row(["Minium", "beside", "mean", "worst", "where", "mean without loop"])
    yield row(["---", "---", "---:", "---:", "---", "---:"])
    pairs = [(policy, ("redis", policy)) for policy in options.policies if policy != "allkeys-lhd"]
    if "allkeys-lhd" in options.policies:
        others = ("redis", "allkeys-lru"), ("redis", "allkeys-lfu"), ("minium", "exact LRU"), ("minium", "Belady")
        pairs += [("allkeys-lhd", other) for other in others if other[1] in (*options.policies, *BOUNDS)]
    for ours, theirs in pairs:
        ahead = {cell: ratio(cell, ("minium", ours)) - ratio(cell, theirs) for cell in cells}
        worst = min(ahead, key=ahead.get)
        looped = [lead for cell, lead in ahead.items() if not cell.startswith("loop")]
        yield row([ours, " ".join(theirs), f"{statistics.fmean(ahead.values()):+.2f}", f"{ahead[worst]:+.2f}", worst,
                   f"{statistics.fmean(looped):+.2f}"])


# A panel per trace, in two rows; a line per policy.
WIDTH, HEIGHT, GAP = 230, 200, 44
STYLE = {
    ("redis", "Belady"): ("#999", "2 2"), ("minium", "Belady"): ("#444", "2 2"), ("redis", "exact LRU"): ("#999", "6 3"),
    ("redis", "allkeys-lru"): ("#e8a33d", ""), ("redis", "allkeys-lfu"): ("#c0392b", ""),
    ("minium", "allkeys-lru"): ("#7fb3d5", ""), ("minium", "allkeys-lfu"): ("#2471a3", ""), ("minium", "allkeys-lhd"): ("#117a43", ""),
}


def plot(traces, shares, columns, ratio):
    shown = [column for column in columns if column in STYLE]
    across = (len(traces) + 1) // 2
    width, height = across * (WIDTH + GAP) + GAP, 2 * (HEIGHT + GAP) + 2 * GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, name in enumerate(traces):
        left, top = GAP + i % across * (WIDTH + GAP), GAP + i // across * (HEIGHT + GAP)
        values = [ratio(f"{name} {share:.0%}", column) for share in shares for column in shown]
        low, high = min(values) // 10 * 10, min(100, max(values) // 10 * 10 + 10)
        x = lambda j: left + 20 + j * (WIDTH - 40) / (len(shares) - 1)
        y = lambda value: top + HEIGHT - (value - low) / (high - low) * HEIGHT
        parts.append(f'<text x="{left}" y="{top - 8}" font-weight="bold">{name}</text>')
        for tick in range(int(low), int(high) + 1, 10):
            parts.append(f'<path d="M{left} {y(tick):.1f}h{WIDTH}" stroke="#ddd"/>'
                         f'<text x="{left - 4}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
        for j, share in enumerate(shares):
            parts.append(f'<text x="{x(j):.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{share:.0%}</text>')
        for column in shown:
            colour, dash = STYLE[column]
            points = " ".join(f"{x(j):.1f},{y(ratio(f'{name} {share:.0%}', column)):.1f}" for j, share in enumerate(shares))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
    for i, column in enumerate(shown):
        colour, dash = STYLE[column]
        left, top = GAP + i % 4 * (width - GAP) // 4, height - 2 * GAP + 30 + i // 4 * 20
        parts.append(f'<path d="M{left} {top - 4}h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
                     f'<text x="{left + 30}" y="{top}">{" ".join(column)}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"
