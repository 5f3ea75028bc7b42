"""The table of operations beside the botocore that is installed: what is new there fails here.

`tests/data/operations.txt` is what the table of operations and the compatibility page are compared with in Rust; here it is compared
with the model itself.
"""

from pathlib import Path

import botocore.session
import pytest

import fdyno

SERVICES = ("dynamodb", "dynamodbstreams")


def listed(service):
    """The operations of the committed list, and the members of their inputs."""
    lines = (Path(__file__).parents[1] / "data" / "operations.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {operation: set(members) for of, operation, *members in rows if of == service}


def modelled(service):
    """The same, of the installed model."""
    model = botocore.session.Session().get_service_model(service)
    shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
    return {name: set(shape.members if shape else ()) for name, shape in shapes.items()}


@pytest.mark.core
@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_botocore_is_in_the_table(service):
    assert modelled(service).keys() <= listed(service).keys() == set(fdyno._fdyno.operations(service))


@pytest.mark.parametrize("service", SERVICES)
def test_every_parameter_of_botocore_is_in_the_table(service):
    known = listed(service)
    unknown = {name: members - known.get(name, set()) for name, members in modelled(service).items()}
    assert not {name: members for name, members in unknown.items() if members}
