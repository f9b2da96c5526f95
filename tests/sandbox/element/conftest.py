"""An element of each protocol."""

import pytest

from element_host import Host, element_of


@pytest.fixture(params=["03", "02"])
def scp(request):
    return request.param


@pytest.fixture
def host(scp):
    """A host with an open channel."""
    return Host(element_of(scp)).open()
