"""Every environment variable, typed and frozen; nothing else reads the environment."""

import contextlib
import os
import secrets
import shlex
from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_SECRET_LENGTH = 32


class SettingsError(Exception):
    """The environment is not usable; the message says which variable and why."""


class Settings(BaseSettings):
    """Settings of one Podium process, from `PODIUM_*` environment variables."""

    model_config = SettingsConfigDict(
        env_prefix="PODIUM_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    database_url: str | None = Field(
        None,
        description="postgresql:// URL; none: an embedded Postgres in the data folder",
    )
    data_dir: Path = Field(Path(".podium"), description="runs, datasets, embedded Postgres, secret")
    secret_key: SecretStr | None = Field(
        None,
        description="32 characters or more; generated when Postgres is embedded",
    )
    model_roots: str = Field(
        "", description="folders that models may be registered from, separated by ':'"
    )
    hub_organizations: str = Field(
        "", description="hub organizations that models may be registered from, separated by ','"
    )
    sampler_url: str | None = Field(None, description="an OpenAI-compatible server, such as vLLM")
    sampler_key: SecretStr | None = Field(None, description="bearer key of that server")
    rollout_url: str | None = Field(
        None, description="a vLLM server that takes new weights, for PPO runs that sample there"
    )
    rollout_key: SecretStr | None = Field(None, description="bearer key of that server")
    trainer_launcher: str = Field(
        "",
        description="starts training runs instead of this interpreter, to use several GPUs, like "
        "`accelerate launch --multi_gpu --num_processes 8 -m`; `trainer KIND RUN_DIR` follows",
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1,[::1]", description="Host headers that are answered, separated by ','"
    )
    https: bool = Field(
        False, description="behind TLS: Secure cookies with the __Host- prefix, HSTS"
    )
    lease_minutes: int = Field(
        45, ge=1, le=1440, description="how long a task stays with its labeler"
    )
    event_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="how long is kept what labelers did on the screen, step by step",
    )
    session_idle_hours: int = Field(12, ge=1, le=720)
    session_max_days: int = Field(7, ge=1, le=90)
    database_pool_size: int = Field(10, ge=1, le=90, description="connections per process")

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with postgresql://")
        return url

    @field_validator("trainer_launcher")
    @classmethod
    def _runs_a_module(cls, launcher: str) -> str:
        words = shlex.split(launcher)
        if words and words[-1] != "-m":
            raise ValueError("must end with -m: the module `trainer` follows")
        return launcher

    @cached_property
    def root(self) -> Path:
        """The data folder as an absolute path."""
        return self.data_dir.expanduser().resolve()

    @cached_property
    def allowed_model_roots(self) -> tuple[Path, ...]:
        """Folders below which a model may lie; what runs made is always allowed."""
        named = [Path(part).expanduser().resolve() for part in self.model_roots.split(":") if part]
        return (*named, self.root / "runs", self.root / "models")

    def secret(self) -> str:
        """The secret that the addresses of failed sign-ins are keyed with in the database.

        Raises:
            SettingsError: it is missing with an own database, or too short.
        """
        if self.secret_key is not None:
            value = self.secret_key.get_secret_value()
        elif self.database_url is None:
            value = _generated_secret(self.root / "secret_key")
        else:
            raise SettingsError(
                "PODIUM_SECRET_KEY is not set. With PODIUM_DATABASE_URL it is needed: "
                "make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`"
            )
        if len(value) < MIN_SECRET_LENGTH or "change" in value.lower():
            raise SettingsError(
                f"PODIUM_SECRET_KEY has {len(value)} characters or is an example; "
                f"use {MIN_SECRET_LENGTH} or more random ones"
            )
        return value


def _generated_secret(path: Path) -> str:
    """Read the secret file, or write it once with mode 0600."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"PODIUM_DATA_DIR: {path.parent} cannot be used ({error.strerror}); choose a folder "
            "that this user may write to"
        ) from error


def describe_settings() -> str:
    """One line per variable for `podium --help`."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "") else f" (default {field.default})"
        lines.append(f"PODIUM_{name.upper()}  {field.description or ''}{default}")
    return "\n\n".join(lines)
