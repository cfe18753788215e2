"""What lix needs only where it is asked for."""

from importlib.util import find_spec


def require(extra: str, *modules: str) -> None:
    """Check that the modules of an optional extra of lix are installed.

    Raises:
        ModuleNotFoundError: one is missing; the message says how to install it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ModuleNotFoundError(
            f'{" and ".join(missing)} missing; install the extra with: pip install "lix[{extra}]"',
            name=missing[0],
        )
