"""Claims about optimizers: adaptive optimizers, momentum, and how they meet the rate."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "optimizers"

CLAIMS = (
    Claim(
        "adaptive-scales-each-parameter",
        TOPIC,
        (
            "AdaGrad, Adadelta, RMSprop and Adam give every weight a step of its own, made from the "
            "gradients that weight has seen; Adam adds momentum."
        ),
        rule(
            below("largest difference of five optimizers by hand from torch", 1e-9),
            above("step per gradient of a small input over a large one, AdaGrad", 10),
            above("step per gradient of a small input over a large one, Adadelta", 10),
            above("step per gradient of a small input over a large one, RMSprop", 10),
            above("step per gradient of a small input over a large one, Adam", 10),
            between("step per gradient of a small input over a large one, SGD", 0.999, 1.001),
        ),
        families=("optim-check",),
        expected="supported",
        conditions=(
            "A regression with inputs of scale 1 and 1000; updates written out from the papers beside torch's."
        ),
        lesson=(
            "SGD moves all weights by one factor of their gradients; an adaptive optimizer moves weights of "
            "small gradients relatively further."
        ),
        sources=(
            "Duchi, Hazan & Singer 2011: AdaGrad",
            "Zeiler 2012: Adadelta",
            "Tieleman & Hinton 2012: RMSprop",
            "Kingma & Ba 2015: Adam",
        ),
        places=("002 L46-48", "003 L553-556", "001 Q14.3", "001 Q33.9"),
        related=("adaptive-reduces-lr-tuning", "layers-want-different-lrs"),
    ),
    Claim(
        "adaptive-reduces-lr-tuning",
        TOPIC,
        "Adaptive optimizers spare one much of the tuning.",
        rule(
            above(
                "decades by which adaptive optimizers widen the window of good rates",
                0.25,
                when="width of the window of good rates",
            ),
            above("share of tasks good for Adam at 0.001", 0.5, when="Adam left untuned at 0.001"),
        ),
        families=("adaptive-band",),
        expected="depends",
        conditions=(
            "Four adaptive optimizers against SGD on three small tasks; Adam at 0.001 on twelve, all trained briefly."
        ),
        lesson="The window of good rates gets wider, but a default taken blindly is not good everywhere.",
        sources=(
            "Wilson et al. 2017: tuned SGD often generalises as well",
            "Choi et al. 2019: rankings change with the tuning",
            "Schmidt, Schneider & Hennig 2021: no optimizer spares the tuning",
        ),
        places=("002 L48", "001 Q13.10", "001 Q21.7"),
        shows=(
            "decades of good rates of SGD, digits",
            "decades of good rates of Adam, digits",
            "decades of good rates of AdaGrad, digits",
        ),
        related=("adam-start-0p001-to-0p01", "optimizer-changes-lr-sensitivity"),
    ),
    Claim(
        "adaptive-converges-faster",
        TOPIC,
        "Adaptive optimizers arrive sooner than SGD at a fixed rate.",
        rule(
            above("share of adaptive runs faster than SGD, digits", 0.5, when="digits"),
            above("share of adaptive runs faster than SGD, wine", 0.5, when="wine"),
            above("share of adaptive runs faster than SGD, breast cancer", 0.5, when="breast cancer"),
        ),
        families=("adaptive-band",),
        expected="depends",
        conditions="Updates to 90% validation accuracy, every optimizer at its own fastest rate.",
        lesson="Once SGD's rate is tuned, who arrives first changes from task to task.",
        sources=(
            "Zhang et al. 2020: the advantage on transformers",
            "Wilson et al. 2017 and Choi et al. 2019: image classifiers, disputed",
        ),
        places=("003 L556", "003 L645-648", "001 Q14.3", "001 Q27.7", "001 Q31.10", "001 Q35.9"),
        shows=("best accuracy Adam gains over SGD, digits",),
        related=("xor-sgd-slower-than-adam",),
        explanation=(
            "On the digits adaptive optimizers arrive sooner; on wine and breast cancer they arrive about "
            "as often before SGD as after it, and more seeds would be needed to say which."
        ),
    ),
    Claim(
        "adaptive-balances-speed-stability",
        TOPIC,
        (
            "By fitting the effective rate to the course of training, adaptive optimizers balance speed "
            "against stability."
        ),
        rule(
            above("share of adaptive runs with no more rising epochs than SGD", 0.5, when="at the best rate"),
            below(
                "share of adaptive runs that fail up to 10 times above their best rate",
                0.1,
                when="up to 10 times above the best rate",
            ),
        ),
        families=("adaptive-band",),
        expected="depends",
        conditions="Three small tasks; a failure loses more than 5 points of accuracy.",
        lesson="They are steady at a good rate; a rate that is too large still breaks them.",
        sources=(
            "Reddi, Kale & Kumar 2018: Adam can fail to converge",
            "Cohen et al. 2022: adaptive methods have an edge of stability too",
        ),
        places=(
            "001 Q21.7",
            "001 Q22.8",
            "001 Q23.4",
            "001 Q27.7",
            "001 Q30.10",
            "001 Q33.9",
            "001 Q35.9",
            "001 Q38.10",
            "001 Q44.7",
        ),
        shows=(
            "decades from the best to the highest good rate of SGD, digits",
            "decades from the best to the highest good rate of Adam, digits",
        ),
        related=("adaptive-reduces-lr-tuning",),
    ),
    Claim(
        "momentum-accelerates-stably",
        TOPIC,
        "Momentum makes training faster and costs no stability.",
        rule(
            above("steps without momentum over steps with momentum 0.7, each at its best rate", 1.2),
            above("smallest diverging rate × curvature / 2, momentum 0.9", 1.5),
        ),
        families=("quad-sweep",),
        expected="supported",
        conditions="Bowls of known curvature, exact gradients.",
        lesson=(
            "On a bowl momentum needs fewer updates, and the largest stable rate even rises, to 2(1 + "
            "momentum)/curvature."
        ),
        sources=(
            "Polyak 1964: heavy ball",
            "Nesterov 1983",
            "Goh 2017: why momentum works",
            "Kidambi et al. 2018: with noise the gain can vanish",
        ),
        places=("001 Q23.4",),
        related=("lr-interacts-with-momentum",),
    ),
    Claim(
        "adam-start-0p001-to-0p01",
        TOPIC,
        "On most problems one does well to begin with Adam somewhere from 0.001 to 0.01.",
        rule(
            above("share of tasks good for Adam at some rate from 0.001 to 0.01", 0.5, when="some rate of that range"),
            above("share of tasks good for Adam at 0.001", 0.5, when="0.001 itself"),
            above("share of tasks good for Adam at 0.01", 0.5, when="0.01 itself"),
        ),
        families=("adaptive-band",),
        expected="depends",
        conditions="Twelve small tasks from XOR to a recurrent net on text, trained briefly.",
        lesson=("The range is a fair place to look; its lower end is too slow for small problems and short trainings."),
        sources=(
            "Kingma & Ba 2015 propose 0.001",
            "large language models are trained at 1e-4 to 6e-4 (Brown et al. 2020)",
        ),
        places=("003 L658",),
        shows=(
            "share of 0.001, 0.00316, 0.01 that are good for Adam, xor",
            "share of 0.001, 0.00316, 0.01 that are good for Adam, digits",
        ),
        related=("xor-adam-01-vs-001", "adaptive-reduces-lr-tuning"),
    ),
    Claim(
        "sgd-for-control-and-fine-tuning",
        TOPIC,
        "Plain SGD is what one takes for control, or to fine-tune.",
        rule(
            above("fine-tuned accuracy SGD gains over Adam", -0.01, when="accuracy on the new task, against Adam"),
            above("accuracy SGD forgets less than Adam", 0, when="keeping the old task, against Adam"),
        ),
        families=("fine-tune",),
        expected="depends",
        conditions="A digits net goes on with 200 digits turned by 90 degrees; every optimizer at its best rate.",
        lesson="Which optimizer fine-tunes best depends on what counts: the new task or the old one.",
        sources=("a habit of vision; language models are fine-tuned with AdamW (Loshchilov & Hutter 2019)",),
        places=("003 L659",),
        shows=(
            "fine-tuned accuracy of SGD",
            "fine-tuned accuracy of Adam",
            "accuracy forgotten by SGD",
            "accuracy forgotten by Adam",
            "fine-tuned accuracy SGD gains over momentum",
        ),
        related=("small-lr-for-fine-tuning",),
        explanation=(
            "The literature has no general result. Here, on one small image task, SGD reaches what Adam "
            "reaches on the new digits and keeps more of the old ones; the experiment says nothing about "
            "language models, which are fine-tuned with AdamW."
        ),
    ),
    Claim(
        "optimizer-changes-lr-sensitivity",
        TOPIC,
        "Which rate is right, and how much it matters, depends on the optimizer.",
        rule(
            above("decades between the best rates of six optimizers", 1),
        ),
        families=("adaptive-band",),
        expected="supported",
        conditions="Digits MLP, six optimizers, rates from 0.0001 to 31.6.",
        lesson="A rate belongs to an optimizer: carried over to another one it can be off by decades.",
        sources=("Choi et al. 2019", "Schmidt, Schneider & Hennig 2021"),
        places=("003 L545", "003 L557", "002 L54", "001 Q22.6", "001 Q23.5"),
        shows=(
            "best rate of SGD, digits",
            "best rate of momentum, digits",
            "best rate of Adam, digits",
            "best rate of RMSprop, digits",
            "best rate of AdaGrad, digits",
            "best rate of Adadelta, digits",
        ),
        related=("best-lr-is-problem-specific", "adaptive-reduces-lr-tuning"),
    ),
    Claim(
        "dynamic-lr-handles-drift",
        TOPIC,
        ("When data or loss change during training, a rate that moves, by schedule or adaptively, copes better."),
        rule(
            below(
                "drift: error with a rate decayed by inverse time over that at the best constant rate",
                1,
                when="a decaying rate against the best constant one",
            ),
            below(
                "drift: error of Adam at its best rate over that of the best constant rate",
                1,
                when="Adam against the best constant rate",
            ),
            below(
                "drift: error of Adam at its best rate over that of a decayed rate",
                1,
                when="Adam against a decayed rate",
            ),
        ),
        families=("drift",),
        expected="depends",
        conditions="A minimum that wanders at random, seen through noise.",
        lesson="What drifts wants a rate that does not die out; decay makes the tracking worse.",
        sources=(
            "Widrow & Stearns 1985: tracking needs a rate that stays up",
            "Dohare et al. 2024: loss of plasticity",
        ),
        places=("001 Q15.5", "001 Q15.8", "001 Q16.9", "001 Q30.7", "001 Q42.8"),
        related=("lr-sets-tracking-of-drift",),
    ),
)
