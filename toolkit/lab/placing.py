"""Where a message goes: what a provider does with the findings, then what the mailbox's owner wants."""

import re
from dataclasses import dataclass, field

from toolkit.lab.judge import Judgement
from toolkit.lab.manners import Doing, Manner
from toolkit.lab.messages import Item

_UPDATE_WORDS = re.compile(
    r"termin|rechnung|bestell|buchung|erinner|bestätig|quittung|storn|liefer|versand|appointment|invoice|order|booking|"
    r"reminder|receipt|confirm|cancel|shipp|deliver",
    re.IGNORECASE,
)
_PURCHASE_WORDS = re.compile(r"rechnung|bestell|quittung|invoice|order|receipt", re.IGNORECASE)
_SOCIAL_WORDS = re.compile(r"folgt dir|freundschaftsanfrage|follows you|friend request|mentioned you", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the owner. All texts that are given must be found, in any case; the actions are done together."""

    sender: str = ""  # in the From header
    subject: str = ""
    folder: str = ""  # file there instead of the inbox; in Gmail the label, with the inbox skipped
    archive: bool = False
    mark_read: bool = False
    trash: bool = False
    discard: bool = False
    redirect: str = ""  # send on to this address, and keep nothing

    def matches(self, item: Item) -> bool:
        """Whether the rule speaks of this message."""
        return self.sender.lower() in item.header("from").lower() and (
            self.subject.lower() in item.header("subject").lower()
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the message goes. `folder` None: nowhere; then `redirect` may say who gets it instead."""

    folder: str | None
    spam: bool = False
    seen: bool = False
    categories: frozenset[str] = frozenset()
    by_rule: bool = False
    unknown_sender: bool = False
    redirect: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider does not take it. `reply` names one of the manner's replies."""

    reply: str
    reason: str


@dataclass(slots=True)
class Wishes:
    """What the owner of a mailbox has set up."""

    rules: list[Rule] = field(default_factory=list)
    address_book: set[str] = field(default_factory=set)
    archive: str | None = None  # the folder that "archive" means
    trash: str | None = None


def place(manner: Manner, wishes: Wishes, judgement: Judgement, item: Item) -> Placed | Refused:
    """The fate of a message."""
    finding = _worst(manner, judgement)
    if finding is not None:
        doing, reply, reason = finding
        spam_folder = manner.folder("spam")
        if doing == "refuse" or spam_folder is None:
            return Refused(reply, reason)
        return Placed(spam_folder, spam=True, reason=reason)
    for rule in wishes.rules:
        if rule.matches(item):
            return _by_rule(manner, wishes, rule)
    unknown = manner.folder("unknown")
    if manner.three_way and unknown is not None and not _known(item, wishes):
        return Placed(unknown, unknown_sender=True, reason="the sender is not in the address book")
    if manner.gmail:
        return Placed("INBOX", categories=categories_of(item))
    return Placed("INBOX")


def _worst(manner: Manner, judgement: Judgement) -> tuple[Doing, str, str] | None:
    """The finding that decides: a refusal before the spam folder."""
    findings: list[tuple[Doing, str, str]] = []
    if judgement.listed:
        findings.append((manner.on_listed, "listed", f"the address is on {judgement.listed[0]}"))
    if judgement.ptr is None:
        findings.append((manner.on_no_ptr, "no_ptr", "the address has no name that leads back to it"))
    if judgement.spf.result == "fail":
        findings.append((manner.on_spf_fail, "spf", f"SPF of {judgement.spf.domain} fails"))
    if judgement.dmarc.disposition == "reject":
        findings.append((manner.on_dmarc_reject, "dmarc", "DMARC fails, and the policy is reject"))
    if judgement.dmarc.disposition == "quarantine":
        findings.append((manner.on_dmarc_quarantine, "dmarc", "DMARC fails, and the policy is quarantine"))
    if judgement.spam_content:
        findings.append((manner.on_spam_content, "content", "the content is spam"))
    for wanted in ("refuse", "spam"):
        for finding in findings:
            if finding[0] == wanted:
                return finding
    return None


def _by_rule(manner: Manner, wishes: Wishes, rule: Rule) -> Placed:
    reason = "a rule of the owner"
    if rule.discard or rule.redirect:
        return Placed(None, by_rule=True, redirect=rule.redirect, reason=reason)
    folder: str | None = rule.folder or "INBOX"
    if rule.archive:
        folder = wishes.archive or manner.folder("all") or manner.folder("archive")
    if rule.trash:
        folder = wishes.trash or manner.folder("trash")
    return Placed(folder, seen=rule.mark_read, by_rule=True, reason=reason)


def _known(item: Item, wishes: Wishes) -> bool:
    sender = item.header("from").lower()
    return any(address.lower() in sender for address in wishes.address_book)


def categories_of(item: Item) -> frozenset[str]:
    """Gmail's categories of a message, from the message alone. The tab is the first of them but `purchases`."""
    subject = item.header("subject")
    if item.header("list-post"):
        return frozenset({"forums"})
    if _SOCIAL_WORDS.search(subject):
        return frozenset({"social"})
    if item.header("list-unsubscribe") or item.header("precedence").lower() in ("bulk", "list"):
        return frozenset({"promotions"})
    if _UPDATE_WORDS.search(subject):
        return frozenset({"updates", "purchases"} if _PURCHASE_WORDS.search(subject) else {"updates"})
    return frozenset({"primary"})
