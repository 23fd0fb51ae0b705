"""Accounts add up, or say by how much they do not."""

from inspection.domain.ledger import Account


def test_a_frame_that_is_nowhere_unbalances_the_account() -> None:
    account = Account(accepted=10, inspected=5, uninspected={"corrupt": 1}, dropped={}, in_flight=3)

    assert account.missing_count == 1
    assert not account.is_balanced


def test_accounts_of_cameras_add_up_by_reason_and_cause() -> None:
    left = Account(accepted=3, inspected=1, uninspected={"corrupt": 1}, dropped={"drop_oldest": 1})
    right = Account(accepted=4, inspected=2, uninspected={"corrupt": 1, "empty": 1}, in_flight=0)

    both = left + right

    assert both.is_balanced
    assert both.uninspected == {"corrupt": 2, "empty": 1}
    assert both.dropped == {"drop_oldest": 1}
