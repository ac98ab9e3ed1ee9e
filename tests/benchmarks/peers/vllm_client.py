"""vLLM's benchmark client alone: its request function, driven as `vllm bench serve --max-concurrency` drives it.

python vllm_client.py FOLDER URL STREAMS SECONDS TOKENS, where FOLDER holds `vllm/benchmarks/lib` of its wheel; prints
one line of JSON. Needs aiohttp, regex and tqdm, and none of the engine.
"""

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from statistics import fmean, quantiles

FOLDER, URL, STREAMS, SECONDS, TOKENS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
SOURCE = Path(FOLDER) / "vllm/benchmarks/lib/endpoint_request_func.py"


def load():
    spec = importlib.util.spec_from_file_location("endpoint_request_func", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def main(client):
    import aiohttp

    connector = aiohttp.TCPConnector(
        limit=STREAMS, limit_per_host=STREAMS, force_close=False, enable_cleanup_closed=True
    )
    timeout = aiohttp.ClientTimeout(total=6 * 3600)
    outputs = []
    begun = time.perf_counter()
    async with aiohttp.ClientSession(connector=connector, trust_env=True, timeout=timeout) as session:

        async def user(number):
            count = 0
            while time.perf_counter() - begun < SECONDS:
                count += 1
                request = client.RequestFuncInput(
                    model="m",
                    model_name="m",
                    prompt=f"question {number} {count}",
                    api_url=f"{URL}/v1/chat/completions",
                    prompt_len=16,
                    output_len=TOKENS,
                    ignore_eos=True,
                )
                outputs.append(await client.async_request_openai_chat_completions(request, session=session))

        await asyncio.gather(*(user(number) for number in range(STREAMS)))
    return outputs, time.perf_counter() - begun


def percent(values, share):
    return 1000 * quantiles(values, n=1000, method="inclusive")[round(1000 * share) - 1]


found, took = asyncio.run(main(load()))
good = [each for each in found if each.success]
gaps = [gap for each in good for gap in each.itl]
print(
    json.dumps(
        {
            "failed": len(found) - len(good),
            "ttft_ms": percent([each.ttft for each in good], 0.5),
            "e2e_ms": percent([each.latency for each in good], 0.5),
            "gap_p50_ms": percent(gaps, 0.5),
            "gap_p99_ms": percent(gaps, 0.99),
            "tpot_ms": 1000 * fmean((each.latency - each.ttft) / (each.output_tokens - 1) for each in good),
            "tokens_per_s": sum(each.output_tokens for each in good) / took,
        }
    )
)
