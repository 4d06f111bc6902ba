"""What real tools print while they train, as functions of the losses: each in the tool's own form.

`DIALECTS` is tool to its text for `STEPS` losses, with the steps, and the validation points, that a reader should find.
"""

# ruff: noqa: E501 - a line that a tool prints stays one line
from __future__ import annotations

import dataclasses
import json

import numpy as np

N = 30
AT = np.arange(N)
LOSS = np.round(2.3 * 0.93**AT + 0.1 + 0.01 * ((AT * 7919) % 13 - 6), 3)
VAL = np.round(LOSS * 1.1, 3)
LR = np.round(1e-3 * (1 - AT / N), 7)


@dataclasses.dataclass
class Dialect:
    """One tool's text and what it holds."""

    text: str
    steps: list[int]
    val: list[int] = dataclasses.field(default_factory=list)
    """Entries whose validation loss is printed."""
    lr: bool = False
    unit: str = "step"
    loss: np.ndarray | None = None
    """Losses, where they are not LOSS."""


DIALECTS: dict[str, Dialect] = {}


def dialect(name, line, steps=None, *, head="", tail="", val="", every=10, **about):
    """`line` for every entry, and `val` after each `every`-th, with i, l, v, r for the entry, its losses and rate."""
    text = head
    told = []
    for i in range(N):
        known = {"i": i, "k": i + 1, "e": i // 10, "b": i % 10, "c": i % 10 + 1, "l": LOSS[i], "v": VAL[i], "r": LR[i]}
        text += line(known) if callable(line) else line.format(**known)
        if val and i % every == every - 1:
            text += val.format(**known)
            told.append(i)
    everywhere = "{v" in line if isinstance(line, str) else about.pop("everywhere", False)
    about.setdefault("val", list(range(N)) if everywhere else told)
    about.setdefault("lr", "{r" in line if isinstance(line, str) else False)
    DIALECTS[name] = Dialect(text + tail, list(range(N)) if steps is None else [int(s) for s in steps], **about)


dialect(
    "nanogpt", "iter {i}0: loss {l:.4f}, time 301.12ms, mfu 17.50%\n", AT * 10,
    head="tokens per iteration will be: 16,384\nnumber of parameters: 10.65M\nstep 0: train loss 2.4, val loss 2.5\n",
    val="step {k}0: train loss {l:.4f}, val loss {v:.4f}\nsaving checkpoint to out-shakespeare-char\n",
)  # fmt: skip
DIALECTS["nanogpt"].val = []
dialect("nanogpt-evaluations", "step {i}: train loss {l:.4f}, val loss {v:.4f}\n")
dialect(
    "xgboost", "[{i}]\ttrain-logloss:{l:.5f}\teval-logloss:{v:.5f}\n", unit="round",
    head="[12:33:11] INFO: src/learner.cc:553: \n",
)  # fmt: skip
dialect("xgboost-auc-first", "[{i}]\ttrain-auc:0.9\ttrain-logloss:{l:.5f}\teval-auc:0.8\teval-logloss:{v:.5f}\n",
        unit="round")  # fmt: skip
dialect("xgboost-cv", "[{i}]\ttrain-rmse:{l:.5f}+0.00212\ttest-rmse:{v:.5f}+0.01234\n", unit="round")
dialect("xgboost-sklearn", "[{i}]\tvalidation_0-rmse:{l:.5f}\tvalidation_1-rmse:{v:.5f}\n", unit="round")
dialect(
    "lightgbm", "[{k}]\ttraining's binary_logloss: {l:.6f}\tvalid_1's binary_logloss: {v:.6f}\n", AT + 1, unit="round",
    head="[LightGBM] [Info] Total Bins 4542\nTraining until validation scores don't improve for 30 rounds\n",
    tail="Early stopping, best iteration is:\n[3]\ttraining's binary_logloss: 9.5\tvalid_1's binary_logloss: 9.5\n",
)  # fmt: skip
dialect(
    "catboost", "{i}:\tlearn: {l:.7f}\ttest: {v:.7f}\tbest: 0.01 ({i})\ttotal: 50ms\tremaining: 2.5s\n", unit="round",
    head="Learning rate set to 0.04\n", tail="\nbestTest = 0.1\nbestIteration = 29\n",
)  # fmt: skip
dialect(
    "torchtune", "Step {k} | loss:{l} lr:{r} tokens_per_second_per_gpu:512.3 grad_norm:1.5 \n", AT + 1,
    head="INFO:torchtune.utils._logging:Running LoRAFinetuneRecipe with resolved config:\n",
)  # fmt: skip
dialect("torchtune-bar", "\r1|{k}|Loss: {l}:   1%|▏         | {k}/1617 [00:12<10:22,  2.59it/s]", AT + 1, tail="\n")
dialect(
    "huggingface-printed",
    "\r {i}%|██▌  | {k}0/300 [00:12<00:36,  8.21it/s]\r      \r{{'loss': {l}, 'grad_norm': 1.2, 'learning_rate': {r}, "
    "'epoch': 0.{k:02d}}}\n",
    (AT + 1) * 10,
    val="{{'eval_loss': {v}, 'eval_runtime': 1.2, 'eval_samples_per_second': 100.0, 'epoch': 0.{k:02d}}}\n",
    head="Loading checkpoint shards: 100%|███| 2/2 [00:01<00:00,  1.2it/s]\n",
    tail="{'train_runtime': 12.0, 'train_steps_per_second': 1.0, 'train_loss': 0.9, 'epoch': 1.0}\n",
)
dialect(
    "huggingface-text-values",
    "{{'loss': '{l}', 'grad_norm': '1.2', 'learning_rate': '{r}', 'epoch': '0.{k:02d}'}}\n", unit="row",
)  # fmt: skip
dialect(
    "llama-factory",
    "[INFO|2026-05-01 12:00:00] llamafactory.train.callbacks:157 >> {{'loss': {l}, 'learning_rate': {r}, "
    "'epoch': 0.{k:02d}, 'throughput': 1234.5}}\n",
    unit="row",
)
dialect(
    "llama-factory-lines",
    lambda known: json.dumps(
        {
            "current_steps": int(known["k"]) * 10, "total_steps": 300, "loss": float(known["l"]),
            "lr": float(known["r"]), "epoch": 0.1 * known["k"], "elapsed_time": "0:00:10",
        }
    ) + "\n",
    (AT + 1) * 10, lr=True,
)  # fmt: skip
dialect(
    "open_clip",
    "2026-07-05,12:00:00 | INFO | Train Epoch: {e} [{b:>4}12/5120 ({b}0%)] Data (t): 0.512 Batch (t): 1.234, 414.9/s "
    "LR: {r:.7f} Logit Scale: 14.286 Contrastive_loss: {l:.5g} ({l:.5g}) Loss: {l:.5g} (9.9)\n",
    AT // 10 * 5120 + AT % 10 * 100 + 12,
    val="2026-07-05,13:00:00 | INFO | Eval Epoch: {k} clip_val_loss: {v:.4f}\tepoch: 1.0000\tnum_samples: 100.0\n",
)
dialect(
    "timm",
    "Train: {e} [{b:>3}0/100 ( {b}0%)]  Loss: {l:.3f} (9.99)  Time: 0.512s,  500.00/s  (0.6s,  480.00/s)  LR: {r:.5e}  "
    "Data: 0.010 (0.020)\n",
    AT // 10 * 100 + AT % 10 * 10,
    val="Test: [   0/48]  Time: 1.2 (1.2)  Loss:  9.999 (9.999)  Acc@1: 10.00 ( 10.00)\n"
    "Test: [  48/48]  Time: 0.2 (0.3)  Loss:  8.888 ({v:>6.3f})  Acc@1: 10.00 ( 10.00)\n*** Best metric: 10.0\n",
)
dialect("timm-summary", "{i},{l},{v},{b},{r}\n", head="epoch,train_loss,eval_loss,eval_top1,lr\n", unit="epoch")
dialect(
    "pytorch-imagenet",
    "Epoch: [{e}][  {b}0/100]\tTime  0.512 ( 0.600)\tData  0.010 ( 0.020)\tLoss {l:.4e} (9.9e+00)\tAcc@1   1.56 (  1.0)\n",
    AT // 10 * 100 + AT % 10 * 10,
    val="Test: [ 0/20]\tTime  1.2 ( 1.2)\tLoss 9.9e+00 ({v:.4e})\tAcc@1  10.00 ( 10.00)\n * Acc@1 10.0 Acc@5 20.0\n",
)
dialect(
    "pytorch-mnist", "Train Epoch: {e} [{b}64/1000 ({b}0%)]\tLoss: {l:.6f}\n", AT // 10 * 1000 + AT % 10 * 100 + 64,
    val="\nTest set: Average loss: {v:.4f}, Accuracy: 9800/10000 (98%)\n\n",
)  # fmt: skip
dialect(
    "pytorch-quickstart",
    lambda known: (
        (f"Epoch {known['e'] + 1}\n-------------------------------\n" if known["b"] == 0 else "")
        + f"loss: {known['l']:>7f}  [{known['b']:>5d}64/ 1000]\n"
    ),
    AT // 10 * 1000 + AT % 10 * 100 + 64,
    val="Test Error: \n Accuracy: 50.9%, Avg loss: {v:>8f} \n\n",
)
dialect(
    "pytorch-cifar", lambda known: f"[{known['e'] + 1}, {known['c'] * 200:5d}] loss: {known['l']:.3f}\n",
    (AT + 1) * 200, tail="Finished Training\n",
)  # fmt: skip
dialect(
    "pytorch-transfer", "Epoch {i}/29\n----------\ntrain Loss: {l:.4f} Acc: 0.6148\nval Loss: {v:.4f} Acc: 0.8627\n\n",
    unit="epoch",
)  # fmt: skip
dialect(
    "pytorch-words",
    lambda known: (
        f"| epoch {known['e'] + 1:3d} | {known['c']:>4d}00/ 1000 batches | lr 0.02 | ms/batch 12.34 "
        f"| loss {known['l']:5.3f} | ppl {123.45:8.2f}\n"
    ),
    (AT + 1) * 100,
    val="-----\n| end of epoch {k} | time: 45.67s | valid loss {v:5.3f} | valid ppl   123.45\n-----\n",
)
_YOLO = "\n      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n     {k:>3}/30      2.27G "
dialect(
    "ultralytics", _YOLO + "  {l:.3f}   0.500    0.250         45        640: 100%|██████████| 8/8 [00:04<00:00,  1.8it/s]\n"
    "                 Class     Images  Instances      Box(P          R      mAP50\n"
    "                   all        128        929      0.6      0.5      0.6\n",
    AT + 1, unit="epoch", loss=LOSS + 0.75, head="Ultralytics 8.3.0 Python-3.10\nStarting training for 30 epochs...\n",
)  # fmt: skip
dialect(
    "yolov5", "{i:20d},{l:20.5g},{l:20.5g},{v:20.5g},{v:20.5g},{r:20.5g}\n", unit="epoch", loss=2 * LOSS,
    head="   epoch,   train/box_loss,   train/obj_loss,   val/box_loss,   val/obj_loss,   x/lr0\n",
)  # fmt: skip
DIALECTS["yolov5"].val = []
_BAR = "{c:>2}/10 [====>.....] - ETA: 0s - loss: 9.9 - accuracy: 0.5000"
dialect(
    "keras-2", "Epoch {k}/30\n\r 1/10 [=>........] - ETA: 0s - loss: 9.9 - accuracy: 0.5\b\b\b\b\b\r10/10 "
    "[==============] - 1s 20ms/step - loss: {l:.4f} - accuracy: 0.5 - val_loss: {v:.4f} - val_accuracy: 0.4\n",
    AT + 1, unit="epoch",
)  # fmt: skip
_G, _W, _B, _O = "\x1b[32m", "\x1b[37m", "\x1b[1m", "\x1b[0m"
dialect(
    "keras-3",
    f"Epoch {{k}}/30\n{_B} 1/10{_O} {_G}━━{_O}{_W}━━━━━{_O} {_B}0s{_O} 8ms/step - accuracy: 0.5 - loss: 9.9"
    + "\b" * 80
    + f"{_B}10/10{_O} {_G}━━━━━━━{_O}{_W}{_O} {_B}1s{_O} 20ms/step - accuracy: 0.5 - loss: {{l:.4f}} - val_accuracy: 0.4 "
    "- val_loss: {v:.4f}\n",
    AT + 1, unit="epoch",
)  # fmt: skip
dialect(
    "keras-quiet", "Epoch {k}/30\n10/10 - 1s - 20ms/step - loss: {l:.4f} - val_loss: {v:.4f}\n", AT + 1, unit="epoch"
)
dialect("loguru", "2026-01-01 12:00:00.123 | INFO     | __main__:train:45 - epoch 1 step {i}0 loss {l:.4f} lr {r:.4e}\n",
        AT * 10)  # fmt: skip
dialect(
    "logging", "2026-01-01 12:00:00,123 - train - INFO - Epoch: {i}, Loss: {l:.4f}, Val Loss: {v:.4f}\n", unit="epoch"
)
dialect(
    "absl", "I0101 12:00:00.123456 140000000000 train.py:123] Step {i}0: loss={l:.4f} learning_rate={r:.7f}\n", AT * 10
)
dialect("jax", "step: {i}, {{'loss': Array({l:.6f}, dtype=float32), 'lr': Array({r:.7f}, dtype=float32)}}\n")
dialect("a-tensor", "epoch {i} loss tensor({l:.4f}, grad_fn=<NllLossBackward0>)\n", unit="epoch")
dialect("parts", "Epoch {i}: train: loss=np.float32({l:.4f}), acc=0.5 | val: loss={v:.4f}, acc=0.4\n", unit="epoch")
dialect(
    "fairseq", "2026-01-01 00:00:00 | INFO | train_inner | epoch 001:    {i}0 / 1000 loss={l:.3f}, nll_loss=0.9, "
    "ppl=300.1, num_updates={i}0, lr={r:.7f}, gnorm=1.2, loss_scale=4, wall=20\n", AT * 10,
)  # fmt: skip
dialect(
    "megatron", " [2026-05-01 12:00:00] iteration {i:>7}0/  500000 | consumed samples:      80 | elapsed time per iteration "
    "(ms): 500.0 | learning rate: {r:.6E} | lm loss: {l:.6E} | loss scale: 1.0 | grad norm: 1.234 |\n", AT * 10,
)  # fmt: skip
dialect(
    "mmengine", "2026/01/01 12:00:00 - mmengine - INFO - Epoch(train)  [{e}][ {c:>2}0/100]  lr: {r:.4e}  eta: 0:00:10  "
    "time: 0.2  memory: 300  grad_norm: 1.2  loss: {l:.4f}  loss_cls: 0.1  loss_bbox: 0.2\n", (AT + 1) * 10,
)  # fmt: skip
dialect("mmcv", lambda known: json.dumps({
    "mode": "train", "epoch": int(known["e"]) + 1, "iter": int(known["c"]) * 10, "lr": float(known["r"]),
    "loss_cls": 0.1, "loss": float(known["l"])}) + "\n", (AT + 1) * 10, lr=True, head='{"env_info": "linux"}\n')  # fmt: skip
dialect(
    "deepspeed", "[2026-01-01 12:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step={i}0, skipped=0, lr=[{r}], "
    "mom=[(0.9, 0.999)]\nsteps: {i}0 loss: {l:.4f} iter time (s): 0.300\n", AT * 10,
)  # fmt: skip
dialect(
    "detectron2-printed", "[01/01 12:00:00 d2.utils.events]:  eta: 0:10:00  iter: {i}9  total_loss: {l:.3f}  loss_cls: 0.5"
    "  time: 0.5000  data_time: 0.0100   lr: {r:.7f}  max_mem: 3000M\n", AT * 10 + 9,
)  # fmt: skip
dialect("detr", "Epoch: [0]  [{i}0/7393]  eta: 2:37:48  lr: {r:.7f}  class_error: 50.1  loss: {l:.4f} (9.9)  time: 1.2\n",
        AT * 10)  # fmt: skip
dialect("llm.c", "step {k:>4}/18865 | loss {l:7.6f} (+nanz)| norm 15.39 (+nanz)| lr {r:.4e} | 300.12 ms | 50.0% bf16\n",
        AT + 1, val="val loss {v:.6f}\n")  # fmt: skip
dialect("modded-nanogpt", "step:{k}/9536 train_loss:{l:.4f} train_time:50ms step_avg:50.00ms\n", AT + 1,
        val="step:{k}/9536 val_loss:{v:.4f} train_time:50ms step_avg:nanms\n")  # fmt: skip
dialect("torchtitan", "[rank0]:[titan] 2026-10-01 12:00:00,123 - root - INFO - \x1b[31mstep: {k:2}  \x1b[32mloss: {l:7.4f}"
        "  \x1b[38;5;208mgrad_norm: 1.2  \x1b[33mmemory:  5.00GiB(6.00%)  \x1b[34mtps: 1,234\x1b[39m\n", AT + 1)  # fmt: skip
dialect("litgpt", "Epoch 1 | iter {k} step {e} | loss train: {l:.3f}, val: n/a | iter time: 500.12 ms\n", AT + 1)
dialect("composer", "[batch={k}/100]:\n\t Train time/epoch: 0\n\t Train loss/train/total: {l:.4f}\n", AT + 1)
dialect("opennmt", "[2026-01-01 12:00:00,123 INFO] Step {i}50/100000; acc:   5.12; ppl: 1000.1; xent: {l:.3f}; lr: {r:.7f}; "
        "1234/1234 tok/s;   10 sec\n", AT * 100 + 50)  # fmt: skip
dialect("maxtext", "completed step: {i}, seconds: 1.234, TFLOP/s/device: 123.4, total_weights: 8192, loss: {l:.3f}\n")
dialect("kohya", "\rsteps:  1%|▏         | {k}/1600 [00:20<50:00,  1.90s/it, avr_loss={l:.3f}]", AT + 1, tail="\n")
dialect("spacy", "  0  {i:>5}0  {l:>8.3f}  {r:>6.5f}   50.10    0.50\n", AT * 10, lr=False,
        head="E    #       LOSS NER  SPEED   ENTS_F  SCORE \n---  ------  --------  ------  ------  ------\n")  # fmt: skip
dialect("fastai-printed", "{i:<9d} {l:<11.6f} {v:<11.6f} 0.500000  00:01   \n", unit="epoch",
        head="Path: data\n\nepoch     train_loss  valid_loss  accuracy  time    \n")  # fmt: skip
dialect("thousands", "step {i},000 | loss {l:.3f} | lr {r:.7f} | 12,345 tok/s\n", AT * 1000)
dialect("short-names", "Ep {i:03d} loss={l:.3f} val_loss={v:.3f} acc=93.1%\n", unit="epoch")
dialect("two-brackets", "[Epoch 0/200] [Batch {i}/938] [D loss: {l:.3f}] [G loss: 0.6]\n")
