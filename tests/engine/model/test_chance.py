"""The sentence beside a Sharpe ratio."""

from engine.model.chance import beside_chance

BEST = {
    "sharpe": 1.7, "chance_sharpe": 1.9, "trials_counted": 1000, "trials_measured": 1000, "dsr": 0.312, "dsr_eff": 0.5
}  # fmt: skip


def test_the_best_of_many_stands_beside_what_chance_shows():
    assert beside_chance(BEST) == (
        "Of 1,000 trials the best Sharpe ratio expected by chance is 1.90; yours is 1.70. It is more than chance with a "
        "probability of 31.2%, 50.0% with trials that are alike counted as one."
    )


def test_what_is_assumed_is_said_and_what_is_unknown_left_out():
    assert beside_chance(BEST | {"trials_measured": 0, "dsr_eff": None}).endswith(
        "31.2%. How far the trials lie apart is assumed, not measured."
    )


def test_an_only_trial_is_no_best_of_many():
    assert beside_chance(BEST | {"trials_counted": 1}).startswith("The only trial here")


def test_a_stitched_run_is_judged_beside_walk_forwards_and_says_what_its_own_chose_from():
    chosen = "Its parameters were chosen from 60 trials in trainings, each before its test. "
    only = beside_chance(BEST | {"trials_counted": 1, "walk_trials": 60}, stitched=True)
    assert only.startswith(chosen + "The only walk-forward here: no best of many")
    several = BEST | {"trials_counted": 3, "trials_measured": 0, "walk_trials": 60}
    assert beside_chance(several, stitched=True).startswith(
        chosen + "Of 3 walk-forwards the best Sharpe ratio"
    )
    older = beside_chance(BEST | {"trials_counted": 1}, stitched=True)
    assert older.startswith("Its parameters were chosen from trials in trainings")


def test_a_run_without_a_ratio_or_of_an_older_version_says_nothing():
    assert beside_chance({}) == ""
    assert beside_chance({"sharpe": 1.7}) == ""
    assert beside_chance(BEST | {"sharpe": None, "dsr": None}) == ""
