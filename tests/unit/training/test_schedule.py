from inspection.training.schedule import Schedule


def test_schedule_rises_stays_and_falls() -> None:
    schedule = Schedule(steps_count=1000, warm_up_count=100, fall_share=0.2)

    factors = [schedule.rate_factor(step) for step in (0, 50, 100, 500, 799, 900, 999)]

    assert factors[0] < factors[1] < factors[2] == factors[3] == factors[4] == 1
    assert factors[5] == 0.5
    assert factors[6] < 0.02


def test_schedule_of_a_longer_run_begins_as_the_shorter_one() -> None:
    short, long = Schedule(steps_count=1000), Schedule(steps_count=2000)

    for step in range(350):
        assert short.rate_factor(step) == long.rate_factor(step)
        assert short.shows_windows(step) == long.shows_windows(step)


def test_schedule_ends_with_whole_pictures_and_shows_some_before() -> None:
    schedule = Schedule(steps_count=100, windows_share=0.5, whole_every=5)

    shown = [schedule.shows_windows(step) for step in range(100)]

    assert not any(shown[50:])
    assert shown[:50].count(False) == 10
