"""What every implementation of a protocol must do: one suite per protocol, one list of implementations."""
