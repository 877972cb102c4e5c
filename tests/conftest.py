"""What all tests share: real servers (tests/servers) and faulty ones (tests/fakes), as fixtures."""

pytest_plugins = ["tests.servers.fixtures"]
