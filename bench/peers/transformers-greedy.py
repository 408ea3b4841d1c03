"""Continues token ids greedily with transformers, in float32 on the CPU.

    python3 transformers-greedy.py MODEL --ids FILE.json --count N

FILE.json holds prompts: a list of lists of token ids. Ends of a text are tokens like any other. One line of JSON goes to
standard output: {"ids": [[...]], "transformers": VERSION}, N ids for every prompt.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a Hugging Face folder")
    parser.add_argument("--ids", type=Path, required=True, help="a JSON file of prompts, each a list of token ids")
    parser.add_argument("--count", type=int, required=True, help="tokens to add to each")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    model.generation_config.eos_token_id = None
    ids = []
    for prompt in json.loads(options.ids.read_text()):
        answer = model.generate(torch.tensor([prompt]), max_new_tokens=options.count, do_sample=False)
        ids.append(answer[0, len(prompt) :].tolist())
    print(json.dumps({"ids": ids, "transformers": transformers.__version__}))


main()
