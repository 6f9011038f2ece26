"""Settings that are kept in a store: read at the start, looked at again, never made worse by what comes from there."""

import stat

import pytest

from app.domain.errors import BadSettings
from app.settings import load_settings
from app.settings.rotation import SettingsSource

OLD, NEW = "an-api-token-of-the-old-kind-0123456789", "an-api-token-of-the-new-kind-9876543210"
REFS = {"SECRETS_FROM_AWS": "API_TOKEN=token, BINANCE_API_KEY=keys#key", "TRADING_MODE": "live"}
LIVE = {
    **REFS,
    "BINANCE_API_KEY": "k9J3hQ7bV2xT8mW4cR6zN1pL5sD0fG",
    "BINANCE_API_SECRET": "Gf0Ds5Lp1Nz6Rc4Wm8Tx2Vb7Qh3J9k",
    "DATABASE_URL": "postgresql://bot@db/bot",
    "API_TOKEN": OLD,
}


class Store(dict):
    """Secrets by the name of their setting; `asked` are the names of the last question."""

    def __call__(self, refs):
        self.asked = [ref.name for ref in refs]
        return {ref.name: self[ref.name] for ref in refs if ref.name in self}


@pytest.fixture
def store():
    return Store(API_TOKEN=OLD)


def source(store, **env):
    made = SettingsSource(store, env={**LIVE, **env}, env_file=None)
    made.first()
    return made


def token(settings):
    return settings.server.api_token.get_secret_value()


def test_what_is_kept_goes_before_what_the_process_was_started_with(store):
    store["API_TOKEN"] = NEW
    assert token(source(store).current) == NEW


def test_a_store_that_does_not_answer_leaves_the_environment(store):
    store.clear()
    assert token(source(store).current) == OLD


def test_nothing_new_is_no_change(store):
    assert source(store).changed() is None


def test_a_rotated_secret_is_new_settings_once(store):
    it = source(store)
    store["API_TOKEN"] = NEW
    assert token(it.changed()) == NEW
    assert it.changed() is None
    assert token(it.current) == NEW


def test_what_cannot_be_read_now_keeps_its_last_value_and_not_the_environment_s(store):
    store["API_TOKEN"] = NEW
    it = source(store)
    del store["API_TOKEN"]
    store["BINANCE_API_KEY"] = "another-key-0123456789abcdefgh"
    changed = it.changed()
    assert changed.venue.api_key.get_secret_value() == "another-key-0123456789abcdefgh"
    assert token(changed) == NEW


def test_settings_that_are_not_sound_leave_the_old_ones_and_are_said_once(store):
    it = source(store)
    store["API_TOKEN"] = "short"
    with pytest.raises(BadSettings, match="API_TOKEN is too short"):
        it.changed()
    assert token(it.current) == OLD
    assert "API_TOKEN is too short" in it.problem
    assert it.changed() is None
    assert it.problem
    store["API_TOKEN"] = OLD  # taken back
    assert it.changed() is None
    assert it.problem == ""


def test_a_blank_secret_is_one_that_is_not_set(store):
    store["BINANCE_API_KEY"] = " "
    with pytest.raises(BadSettings, match="BINANCE_API_KEY is missing"):
        source(store)


def test_no_message_quotes_a_secret(store):
    store["API_TOKEN"] = "changeme-canary-7"
    with pytest.raises(BadSettings) as refusal:
        source(store)
    assert "canary" not in str(refusal.value)


def test_without_references_there_is_nothing_to_look_for(store):
    assert not source(store, SECRETS_FROM_AWS="").rotates
    assert source(store).rotates


def test_a_secret_of_strategies_is_kept_in_the_file_and_is_no_change(store, tmp_path):
    file = tmp_path / "var" / "strategies.yaml"
    store["STRATEGIES_FILE"] = "strategies: {}\n"
    it = source(store, STRATEGIES_SECRET="strategies", STRATEGIES_FILE=str(file))
    assert it.rotates
    assert file.read_text() == "strategies: {}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    inode = file.stat().st_ino
    store["STRATEGIES_FILE"] = "strategies: {trend: {}}\n"
    assert it.changed() is None
    assert file.read_text() == "strategies: {trend: {}}\n"
    assert file.stat().st_ino != inode, "written in place: a reader could see half of it"
    assert [path.name for path in file.parent.iterdir()] == ["strategies.yaml"]


@pytest.mark.parametrize("text", [" ", None])
def test_a_blank_or_missing_secret_of_strategies_leaves_the_file(store, tmp_path, text):
    file = tmp_path / "strategies.yaml"
    file.write_text("strategies: {mine: {}}\n")
    if text:
        store["STRATEGIES_FILE"] = text
    source(store, STRATEGIES_SECRET="strategies", STRATEGIES_FILE=str(file)).changed()
    assert file.read_text() == "strategies: {mine: {}}\n"


def test_a_file_that_cannot_be_written_holds_up_no_secret(store, tmp_path):
    file = tmp_path / "strategies.yaml"
    it = source(store, STRATEGIES_SECRET="strategies", STRATEGIES_FILE=str(file))
    file.mkdir()
    (file / "in the way").touch()
    store |= {"STRATEGIES_FILE": "strategies: {}\n", "API_TOKEN": NEW}
    assert token(it.changed()) == NEW
    with pytest.raises(BadSettings, match=r"STRATEGIES_FILE=.* cannot be written"):
        source(store, STRATEGIES_SECRET="strategies", STRATEGIES_FILE=str(file))


def test_settings_of_equal_values_are_equal():
    assert load_settings(LIVE, None) == load_settings(dict(LIVE), None)
