"""Routes, to be filled by this domain."""

from fastapi import APIRouter

router = APIRouter()
