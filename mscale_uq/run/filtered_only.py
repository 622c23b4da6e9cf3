"""What of a case only a filter follows, so that whoever reads a fit knows what its model went without."""

from collections.abc import Iterator

from mscale_uq.case.read import Case


def goes_without(case: Case) -> list[str]:
    """Return a sentence for every option, and for the parameters that walk, that a fit leaves out."""
    return [*_options(case), *_walks(case)]


def _options(case: Case) -> Iterator[str]:
    for plan in case.plans:
        for option in case.system.options:
            value = plan.options.get(option.name, option.default)
            if option.filters_only and value != option.default:
                shown = value if isinstance(value, str) else f"{value:g} {option.unit}"
                what = f"{option.name} = {shown} ({option.meaning})"
                yield (
                    f"{plan.name}: fitted without {what}; its effects are taken for the unknowns', whose "
                    f"intervals are too narrow, and mscale assimilate follows it"
                )


def _walks(case: Case) -> Iterator[str]:
    if case.assimilating is None:
        return
    walking = [name for name, size in case.assimilating.settings.get("drift", {}).items() if size]
    if walking:
        yield (
            f"fitted with {', '.join(walking)} constant in time; mscale assimilate lets "
            f"{'it' if len(walking) == 1 else 'them'} drift"
        )
