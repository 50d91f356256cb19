"""Who must approve a deployment, and what must be attested before (the plan's sections 1 and 8)."""

from pydantic import Field

from cartctl.config.model.section import Section
from cartctl.config.values import LocalPath


class Required(Section):
    """The value that an attestation must state: at least or at most so many of a unit."""

    at_least: int | None = Field(default=None, description="Lowest accepted value.", examples=[5])
    at_most: int | None = Field(default=None, description="Highest accepted value.", examples=[0])
    unit: str = Field(
        default="", description="What is counted, in the plural.", examples=["reviews per phase"]
    )

    def accepts(self, value: int) -> bool:
        """Whether a stated value is within the bounds. Pure."""
        low, high = self.at_least, self.at_most
        return (low is None or value >= low) and (high is None or value <= high)

    def shown(self, value: int) -> str:
        """A value with the unit."""
        return f"{value} {self.unit}".strip()

    def __str__(self) -> str:
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return f"{' and '.join(f'{word} {bound}' for word, bound in bounds if bound is not None)} {self.unit}".strip()


class Signoff(Section):
    """Who must approve a deployment."""

    roles: tuple[str, ...] = Field(
        default=(),
        description="Roles that must approve, each by one person.",
        examples=[["DBA", "QA Lead"]],
    )
    signers: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Names and the roles that each may approve in. Without it, a name may approve in any role, but only in one.",
        examples=[{"ann@example.com": ["DBA"], "bob@example.com": ["QA Lead"]}],
    )
    allowed_signers: LocalPath | None = Field(
        default=None,
        description="File of the signers' public SSH keys, in the format of ssh-keygen's allowed signers. With it, only signed approvals count.",
        examples=["ops/signers"],
    )
    attestations: dict[str, Required] = Field(
        default_factory=dict,
        description="Values that somebody must attest, because no check can measure them.",
        examples=[{"reviews": {"at_least": 5, "unit": "reviews per phase"}}],
    )
