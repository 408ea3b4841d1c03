// Training runs.

import type { Messages } from "./messages.ts";

export const training = {
  "training.none": [
    "There are no runs of training in this server's folder of runs (`--runs`). This trains a small model:",
    "此服务器的训练目录（`--runs`）中没有训练。可用以下命令训练一个小模型：",
  ],
  "training.runs": ["Runs", "训练"],
  "training.run": ["Run", "训练"],
  "training.running": ["running", "进行中"],
  "training.no-steps": ["no steps yet", "尚无步骤"],
  "training.run-note": ["step {step} · loss {loss} · {ago}", "第 {step} 步 · 损失 {loss} · {ago}"],
  "training.standing": ["Where the runs stand", "训练状态"],
  "training.axis": ["Over", "横轴"],
  "training.steps": ["Steps", "步数"],
  "training.smoothing": ["Smoothing", "平滑"],
  "training.smoothing-off": ["Off", "关"],
  "training.smoothing-some": ["Some", "适度"],
  "training.smoothing-much": ["Much", "强"],
  "training.stage": ["Stage", "阶段"],
  "training.step": ["Step", "步"],
  "training.tokens": ["Tokens", "词元"],
  "training.loss": ["Loss", "损失"],
  "training.loss-trained": ["Training", "训练"],
  "training.heldout": ["Held out", "留出集"],
  "training.mtp-losses": ["MTP losses", "MTP 损失"],
  "training.head": ["Head {n}", "头 {n}"],
  "training.expert-load": ["Expert load above the mean", "专家负载（高于均值）"],
  "training.worst-layer": ["Worst layer", "最差层"],
  "training.mean-layer": ["Mean of layers", "各层平均"],
  "training.learning-rate": ["Learning rate", "学习率"],
  "training.gradient": ["Norm of the gradient", "梯度范数"],
  "training.speed": ["Tokens/s", "词元/秒"],
  "training.samples": ["What {name} writes", "{name} 的输出"],
  "training.at-step": ["Step {n}", "第 {n} 步"],
} as const satisfies Messages;
