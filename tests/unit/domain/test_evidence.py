"""What is kept of a frame: its limits and amounts."""

from datetime import timedelta

from inspection.domain.evidence import Amount, KeepClass, Limits


def test_evidence_of_ok_goes_at_its_own_age_and_none_outlives_its_row() -> None:
    limits = Limits(
        rows=timedelta(days=100),
        ok_evidence=timedelta(days=30),
        other_evidence=timedelta(days=365),
    )

    ages = {keep_class: limits.age_of(keep_class).days for keep_class in KeepClass}

    assert ages == {
        KeepClass.OK: 30,
        KeepClass.PENDING: 100,
        KeepClass.NG: 100,
        KeepClass.REVIEWED: 100,
    }


def test_amounts_add_up_and_cancel_out() -> None:
    amount = Amount(picture_count=1, picture_bytes=100, map_count=2, map_bytes=30)

    assert (amount + amount).size_bytes == 260
    assert amount + -amount == Amount()
