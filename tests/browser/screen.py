"""The labeling screen as tests see it: cards, chips, rows, and what it says."""

from dataclasses import dataclass

from playwright.async_api import Locator, Page, expect


@dataclass(frozen=True)
class Screen:
    """One task on a page."""

    page: Page

    def card(self, letter: str) -> Locator:
        return self.page.locator(f"#response-{letter}")

    def chip(self, letter: str) -> Locator:
        return self.page.locator(f'.chip[data-letter="{letter}"]')

    def row(self, number: int) -> Locator:
        """The row of the board with this number, 1 is best."""
        return self.page.locator(f'[data-board] [data-row="{number - 1}"]')

    @property
    def tray(self) -> Locator:
        return self.page.locator("[data-tray]")

    @property
    def status(self) -> Locator:
        return self.page.locator("[data-status]")

    @property
    def submit(self) -> Locator:
        return self.page.get_by_role("button", name="Submit", exact=True)

    async def open(self, path: str) -> None:
        await self.page.goto(path)
        await self.ready()

    async def ready(self) -> None:
        """Wait until the scripts have taken over."""
        await expect(self.page.locator(".workplace.is-measured")).to_be_attached()

    async def has_next(self) -> None:
        """Wait until the next task was brought ahead of time."""
        await expect(self.page.locator('[data-labeling][data-has-next="true"]')).to_be_attached()

    async def complete(self) -> None:
        """Rate and rank everything with keys: the first response is best."""
        for number, letter in enumerate(await self.ids(), start=1):
            await self.page.keyboard.press(letter.lower())
            await self.page.keyboard.press("4")
            await self.page.keyboard.press(letter.lower())
            await self.page.keyboard.press(f"Shift+Digit{number}")
        await expect(self.status).to_have_text("Ready to submit")

    async def task(self) -> str:
        """The id of the task that is shown."""
        return await self.page.locator("[data-labeling]").get_attribute("data-task")

    async def ids(self) -> dict[str, int]:
        """The response id of each letter, in the order on the page."""
        pairs = await self.page.locator("[data-response]").evaluate_all(
            "cards => cards.map(card => [card.dataset.letter, Number(card.dataset.response)])"
        )
        return dict(pairs)

    async def rate(self, letter: str, rating: int) -> None:
        """Click a step of the rating."""
        await self.card(letter).get_by_role("radio", name=str(rating)).check()

    async def drag(self, letter: str, row: int) -> None:
        await self.page.wait_for_function("() => Boolean(window.Sortable)")  # It comes late.
        await self.chip(letter).drag_to(self.row(row))
        await self.is_in_row(letter, row)

    async def click_to(self, letter: str, row: int) -> None:
        """Pick a chip up with a click and put it into a row with another."""
        await self.chip(letter).click()
        await self.row(row).click()
        await self.is_in_row(letter, row)

    async def is_in_row(self, letter: str, row: int) -> None:
        await expect(self.row(row).locator(f'.chip[data-letter="{letter}"]')).to_be_attached()

    async def is_another_than(self, task: str) -> None:
        """Wait until the next task is there."""
        await expect(
            self.page.locator(f'[data-labeling]:not([data-task="{task}"])')
        ).to_be_visible()
        await self.ready()
