"""The HTTP interface under `/api/v1`: one module a noun of the vocabulary."""
