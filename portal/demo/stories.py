"""What was said and decided in the demo's past meetings."""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.demo.people import CLASSES


@dataclass(frozen=True)
class ActionStory:
    """`due` in days from today; `owner` is a login or, for someone without account, a name."""

    text: str
    owner: str
    due: int
    done: bool = False


@dataclass(frozen=True)
class Story:
    """A meeting that was held `days` ago at `hour`. `chat` is (login or "guest", minute, text)."""

    organizer: str
    title: str
    days: int
    hour: int
    minutes: int
    people: list[str]
    agenda: list[str]
    notes: list[str]
    summary: str
    chat: list[tuple[str, int, str]]
    decisions: list[str] = field(default_factory=list)
    actions: list[ActionStory] = field(default_factory=list)
    absent: frozenset[str] = frozenset()
    cohosts: frozenset[str] = frozenset()
    guest: bool = False
    approved: bool = True
    file: tuple[str, str, int, str] | None = None  # login, name, minute, text
    filmed: bool = False


STORIES = (
    Story(
        *("lin.mei", "Physics 101: Newton's laws", 7, 10, 45, CLASSES["Physics 101"][2]),
        agenda=["What moves a body", "The three laws", "Exercises"],
        notes=[
            "A ball on the train table: who sees it at rest, who sees it move?",
            "Inertia, force as change of momentum, action and reaction. The third law needs two bodies.",
            "Sheet 4, numbers 1 to 3 together; 4 and 5 at home.",
        ],
        summary="Everybody can say the three laws in their own words. The third one needs another example.",
        chat=[
            ("sara.yilmaz", 6, "Does the table move from the ball's point of view?"),
            ("lin.mei", 7, "Exactly that question is what the first law is about. Hold it for a minute!"),
            ("wang.wei", 19, "老师，第三定律里两个力作用在同一个物体上吗？"),
            ("lin.mei", 20, "不是，作用在两个不同的物体上。 No: on two different bodies."),
            ("tom.becker", 41, "Is number 5 with friction?"),
            ("lin.mei", 42, "Without. Friction comes next week."),
        ],
        decisions=["The test is on Friday in two weeks."],
        actions=[
            ActionStory("Hand in sheet 4, numbers 4 and 5", "sara.yilmaz", 1),
            ActionStory("Bring the train table to the lab", "lin.mei", -1, done=True),
        ],
        absent=frozenset({"amina.diallo"}),
        file=("lin.mei", "sheet-4.txt", 30, "Sheet 4\n\n1. A sledge of 20 kg is pulled with 50 N …\n"),
        filmed=True,
    ),
    Story(
        *("jonas.okafor", "Department meeting: exams", 5, 13, 60, ["lin.mei", "priya.rao", "anna.kowalska"]),
        agenda=["Dates", "Who supervises", "Open book or not"],
        notes=[
            "The hall is free from the 14th to the 18th. Physics and chemistry share two days.",
            "Two people a room, one of them from the department.",
            "Long discussion; the calculators decide it.",
        ],
        summary="The dates are fixed. Open-book exams are tried in one course and looked at again in spring.",
        chat=[
            ("priya.rao", 12, "The 15th is bad for chemistry, we have the excursion."),
            ("jonas.okafor", 13, "Then physics takes the 15th, chemistry the 16th."),
            ("anna.kowalska", 38, "Languages can lend two supervisors."),
        ],
        decisions=[
            "Physics writes on the 15th, chemistry on the 16th.",
            "Physics 101 tries an open-book exam.",
            "Two supervisors a room.",
        ],
        actions=[
            ActionStory("Book the hall for both days", "jonas.okafor", 2),
            ActionStory("Write the open-book rules on one page", "lin.mei", 1),
            ActionStory("Tell the office who supervises", "priya.rao", -2),
            ActionStory("Move the excursion's bus", "priya.rao", -3, done=True),
        ],
        cohosts=frozenset({"priya.rao"}),
    ),
    Story(
        *("lin.mei", "Solar boat: what we need", 1, 15, 40, ["tom.becker", "amina.diallo", "marc.dubois"]),
        agenda=["The hull", "Money", "Who asks the harbour"],
        notes=["Two hulls are offered; the smaller one fits the van.", "", ""],
        summary="",
        chat=[
            ("guest", 9, "We can lend you a charge controller until March."),
            ("tom.becker", 10, "That would be great, thank you!"),
            ("marc.dubois", 22, "I need an offer on paper before I can pay anything."),
        ],
        decisions=["We take the smaller hull."],
        actions=[
            ActionStory("Send the offer for the panels", "Elena Petrova", 4),
            ActionStory("Ask the harbour master for a place", "tom.becker", 3),
        ],
        guest=True,
        approved=False,
    ),
)
