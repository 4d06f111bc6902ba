"""Claims about monitoring: what loss curves and their watchers tell about the rate."""

from __future__ import annotations

from surefoot.records.claim import Claim, Printed
from surefoot.textbook.rules import above, below, rule

__all__ = ["CLAIMS"]

TOPIC = "monitoring"

CLAIMS = (
    Claim(
        "erratic-loss-signals-large-lr",
        TOPIC,
        "An erratic loss, swinging metrics and odd gradient norms betray a rate that is too large.",
        rule(
            above("area under the curve of erratic loss, for a rate that is too large", 0.8),
            above("share of rates too large that raise the alarm", 0.7),
            above("share of alarms that are rates too large", 0.7),
        ),
        families=("detector",),
        expected="supported",
        conditions=(
            "The first tenth of trainings on four tasks at rates over five decades; simple statistics of the "
            "loss and the gradient."
        ),
        lesson="The first tenth of a training already tells a rate that is too large.",
        sources=(
            "Godbole et al. 2023, tuning playbook",
            "Cohen et al. 2021: healthy training at the edge of stability also goes up and down",
        ),
        places=("004 L22", "001 Q25.10", "001 Q27.10", "001 Q43.5", "001 Q43.9"),
        shows=(
            "area under the curve of growth of the gradient, for a rate that is too large",
            "share of good rates that raise the alarm",
        ),
        related=("flat-curve-signals-stuck", "monitoring-guides-lr-changes"),
    ),
    Claim(
        "flat-curve-signals-stuck",
        TOPIC,
        ("A flat loss, metrics that stand still and weights that hardly move mean that the training is stuck."),
        rule(
            above("share of flat beginnings whose rate is too small", 0.8, when="flat beginnings on four tasks"),
            below("share of flat XOR runs whose loss halves later", 0.2, when="the first plateau of XOR"),
        ),
        families=("detector",),
        expected="depends",
        conditions="Beginnings of trainings on four tasks; XOR from uniform weights at rate 0.1.",
        lesson="Flat means too small, stuck, converged or just not yet: look longer, or probe another rate.",
        sources=("Saad & Solla 1995: plateaus that end", "Fukumizu & Amari 2000"),
        places=("001 Q29.1", "001 Q29.3", "001 Q29.9"),
        shows=(
            "share of XOR runs that are flat from update 100 to 1000",
            "share of flat XOR runs that are solved later",
        ),
        contradicts=("plateau-means-converged",),
        related=("erratic-loss-signals-large-lr",),
    ),
    Claim(
        "monitoring-guides-lr-changes",
        TOPIC,
        ("Whoever watches training and validation loss sees a bad rate early and can change it on the way."),
        rule(
            above(
                "accuracy the watched rate gains over a fixed one, start 100 times too small",
                0.05,
                when="start 100 times too small",
            ),
            above(
                "accuracy the watched rate gains over a fixed one, start 10 times too large",
                0.05,
                when="start 10 times too large",
            ),
        ),
        families=("plateau-sched",),
        expected="supported",
        conditions="Digits MLP from two bad rates, with a schedule that sees nothing but the validation loss.",
        lesson=("A rule that watches the loss can save a bad start, if the start has not broken the net first."),
        sources=(
            "reduce-on-plateau is common practice",
            "Kumar et al. 2025: a greedy schedule",
            "Zhang et al. 2021: AutoTrainer",
        ),
        places=(
            "002 L52",
            "003 L106",
            "003 L127",
            "003 L660",
            "001 Q14.7",
            "001 Q14.8",
            "001 Q16.6",
            "001 Q27.10",
            "001 Q28.3",
            "001 Q28.9",
            "001 Q29.9",
            "001 Q30.4",
            "001 Q37.9",
            "001 Q41.5",
        ),
        shows=(
            "accuracy the reduced rate gains over a fixed one, start 100 times too small",
            "accuracy the reduced rate gains over a fixed one, start 10 times too large",
            "accuracy the watched rate still lacks, start 100 times too small",
        ),
        related=("erratic-loss-signals-large-lr", "early-stopping-saves-and-protects"),
        explanation=(
            "A rate a hundred times too small is noticed and mended. At ten times the good rate the ReLU "
            "units of this net die in the first updates, before there is anything to watch: lowering the "
            "rate afterwards frees nothing. Watching helps where the start has not broken the net."
        ),
    ),
    Claim(
        "early-stopping-saves-and-protects",
        TOPIC,
        "Early stopping with some patience saves time and guards against overfitting.",
        rule(
            above("share of epochs that stopping saves, patience 5, clean images", 0.2, when="time, clean images"),
            above("test accuracy that stopping gains, patience 5, clean images", 0.005, when="accuracy, clean images"),
            above(
                "test accuracy that stopping gains, patience 5, digits with 20% wrong labels",
                0.005,
                when="accuracy, wrong labels",
            ),
        ),
        families=("early-stop", "mnist-cnn"),
        expected="depends",
        conditions=(
            "The course's CNN on an excerpt of MNIST; digits with every fifth label wrong. Test examples "
            "choose nothing."
        ),
        lesson="It saves time everywhere; accuracy it protects where labels are wrong.",
        sources=(
            "Prechelt 1998",
            "Li, Soltanolkotabi & Oymak 2020: wrong labels",
            "Nakkiran et al. 2020: stopping can come too early",
        ),
        places=("002 L52", "003 L106", "003 L121-123", "003 L137", "001 Q28.10"),
        shows=(
            "share of epochs that stopping saves, patience 10, clean images",
            "test accuracy that stopping gains, patience 10, digits with 20% wrong labels",
        ),
        related=("validation-loss-rise-means-overfitting", "fifty-epochs-excessive"),
        changed=("Three seeds did not decide whether stopping gains accuracy on clean images; six do: it does not."),
    ),
    Claim(
        "regularization-delays-overfitting",
        TOPIC,
        "Dropout, weight decay and augmentation allow more epochs before a net overfits.",
        rule(
            above("epochs by which dropout delays the lowest validation loss", 0, when="dropout"),
            above("rise of the validation loss that dropout takes away", 0, when="dropout"),
            above("epochs by which weight decay delays the lowest validation loss", 0, when="weight decay"),
            above("rise of the validation loss that weight decay takes away", 0, when="weight decay"),
            above("epochs by which shifted examples delays the lowest validation loss", 0, when="shifted examples"),
            above("rise of the validation loss that shifted examples takes away", 0, when="shifted examples"),
        ),
        families=("reg",),
        expected="supported",
        conditions="An MLP on 150 digits of 8 x 8 pixels; shifts by one pixel.",
        lesson="What holds a net back moves the turning point of the validation loss to later epochs.",
        sources=(
            "Krogh & Hertz 1992: weight decay",
            "Srivastava et al. 2014: dropout",
            "Shorten & Khoshgoftaar 2019: augmentation",
        ),
        places=("003 L106", "003 L125-127"),
        shows=(
            "final validation loss that dropout takes away",
            "final validation loss that weight decay takes away",
            "final validation loss that shifted examples takes away",
        ),
        related=("dropout-reduces-overfitting", "fifty-epochs-excessive"),
        explanation=(
            "On 150 digits at an effective rate of 1 (0.1 with momentum 0.9) dropout and one-pixel shifts "
            "make the validation loss itself noisy and high, so what they take away of its rise does not "
            "show; a shift by one of eight pixels also cuts off parts of the digits. Weight decay holds the "
            "loss down."
        ),
    ),
    Claim(
        "regularization-prevents-premature-convergence",
        TOPIC,
        (
            "Regularization, together with a changed rate, keeps a training from settling early in a poor "
            "solution or frees a stuck one."
        ),
        rule(
            above("share of stuck XOR nets that weight decay frees beyond going on", 0.05, when="weight decay alone"),
            above(
                "share of stuck XOR nets that weight decay at ten times the rate frees beyond ten times the rate",
                0.05,
                when="weight decay with a raised rate",
            ),
        ),
        families=("unstick",),
        expected="depends",
        conditions="XOR nets that are stuck after 3000 updates get 3000 more; weight decay during half of them.",
        lesson="For a stuck net, fresh weights are worth more than weight decay.",
        sources=(
            ("regularization limits what is fitted; it rarely helps fitting (Goodfellow, Bengio & Courville 2016)"),
        ),
        places=("001 Q28.7", "001 Q29.7"),
        shows=(
            "share of stuck XOR nets freed by weight decay",
            "share of stuck XOR nets freed by ten times the rate",
            "share of stuck XOR nets freed by fresh weights",
        ),
        related=("restart-or-lr-change-unsticks",),
        explanation=(
            "Weight decay frees 6 to 7 in a hundred stuck XOR nets beyond those that going on frees, at "
            "either rate: more than the line of 5 that was drawn beforehand, but little beside fresh "
            "weights, which free three in four."
        ),
    ),
    Claim(
        "restart-or-lr-change-unsticks",
        TOPIC,
        "A stuck training is recovered by another rate, by regularization or by fresh weights.",
        rule(
            above("share of stuck XOR nets freed by fresh weights", 0.25, when="fresh weights"),
            above("share of stuck XOR nets freed by ten times the rate", 0.25, when="ten times the rate"),
            above("share of stuck XOR nets freed by weight decay", 0.25, when="weight decay"),
        ),
        families=("unstick",),
        expected="supported",
        conditions="XOR nets that are stuck after 3000 updates get 3000 more under one remedy.",
        lesson="A fresh start frees most stuck nets; the other remedies are far from sure.",
        sources=("restarts: with a chance p each, one over p tries are needed on average",),
        places=("001 Q29.7",),
        shows=("share of XOR nets that are stuck", "share of stuck XOR nets freed by going on"),
        related=("regularization-prevents-premature-convergence",),
        explanation=(
            "Of the three remedies only fresh weights free most of the stuck XOR nets. Ten times the rate "
            "and weight decay free hardly more than going on does: saturated sigmoids pass too little "
            "gradient for either."
        ),
    ),
    Claim(
        "validation-loss-rise-means-overfitting",
        TOPIC,
        ("When validation loss turns up and training loss goes on falling, the net overfits, at the cost of accuracy."),
        rule(
            above("rise of the validation loss after its lowest, clean images", 0, when="clean images"),
            below(
                "change of the validation accuracy after the lowest validation loss, clean images",
                -0.005,
                when="clean images",
            ),
            above(
                "rise of the validation loss after its lowest, digits with 20% wrong labels",
                0,
                when="digits with 20% wrong labels",
            ),
            below(
                "change of the validation accuracy after the lowest validation loss, digits with 20% wrong labels",
                -0.005,
                when="digits with 20% wrong labels",
            ),
        ),
        families=("early-stop", "mnist-cnn"),
        expected="depends",
        conditions="The course's CNN on an excerpt of MNIST; digits with every fifth label wrong.",
        lesson="A rising validation loss says over-confident; only the validation accuracy says worse.",
        sources=(
            "Guo et al. 2017: over-confidence",
            "Soudry et al. 2018: margins grow while the validation loss rises",
            "Nakkiran et al. 2020: double descent",
        ),
        places=("003 L88-90", "003 L109-114", "003 L458", "003 L660"),
        shows=(
            "epochs between lowest validation loss and highest accuracy, clean images",
            "epochs between lowest validation loss and highest accuracy, digits with 20% wrong labels",
        ),
        related=("validation-accuracy-drops-when-overfitting", "early-stopping-saves-and-protects"),
    ),
    Claim(
        "validation-accuracy-drops-when-overfitting",
        TOPIC,
        (
            "With too many epochs the validation accuracy passes a peak and falls, while the training "
            "accuracy nears 100%."
        ),
        rule(
            above("best minus last validation accuracy of the CNN", 0.02, when="the course's CNN on clean images"),
            above(
                "best minus last validation accuracy, digits with 20% wrong labels",
                0.02,
                when="digits with 20% wrong labels",
            ),
        ),
        families=("mnist-cnn", "early-stop"),
        expected="depends",
        conditions=(
            "50 epochs of the CNN; digits with every fifth label wrong. Two points are more than the noise "
            "of the validation set."
        ),
        lesson="On clean images the accuracy levels off and stays; with wrong labels it does fall.",
        sources=("Zhang et al. 2017: wrong labels are learnt by heart", "Hoffer, Hubara & Soudry 2017"),
        places=("003 L90", "003 L102", "003 L116-119", "003 L135"),
        printed=(
            Printed(
                "validation accuracy after 30 epochs, one table",
                0.92,
                "validation accuracy of the CNN after 30 epochs",
                "003 L102",
            ),
            Printed(
                "validation accuracy after 50 epochs, the other table",
                0.92,
                "validation accuracy of the CNN after 50 epochs",
                "003 L135",
            ),
        ),
        related=("validation-loss-rise-means-overfitting", "mnist-table-3-10-30"),
    ),
    Claim(
        "plateau-means-converged",
        TOPIC,
        "Once the loss curve ends flat, training is over: nothing much is to be had from going on.",
        rule(
            above("XOR, uniform weights: loss after 20000 updates over that after 5000", 0.9),
        ),
        families=("xor-lr",),
        expected="contradicted",
        conditions="The course's own XOR program, continued from 5,000 to 20,000 updates.",
        lesson=("A curve that looks flat may still be falling by large factors: look at it on a logarithmic axis."),
        sources=("Saad & Solla 1995", "Fukumizu & Amari 2000: plateaus before a drop"),
        places=("003 L451", "003 L456"),
        shows=("XOR, uniform weights: loss after 5000 updates", "XOR, uniform weights: loss after 20000 updates"),
        contradicts=("flat-curve-signals-stuck",),
        related=("xor-loss-curve-three-phases",),
    ),
)
