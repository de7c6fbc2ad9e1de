"""A project, a task type and a dataset that fit together."""

from dataclasses import dataclass
from typing import Any

from tests.served import Server
from wk_assets.administration.task_parameters import TaskParameters
from wk_assets.administration.task_type import TaskType, TracingType
from wk_assets.administration.tasks import Project, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Hold what a task needs."""

    project: Project
    task_type: TaskType
    dataset_id: str

    def parameters(self, number: int = 0, **changes: Any) -> TaskParameters:
        values: dict[str, Any] = {
            "task_type_id": self.task_type, "project_name": self.project, "needed_experience_domain": "sample",
            "needed_experience_value": 1, "starting_position": (number, 2, 3), "dataset_id": self.dataset_id,
            "creation_info": f"key-{number}", **changes,
        }  # fmt: skip
        return TaskParameters(**values)

    def tasks(self, amount: int) -> list[Task]:
        return Task.create_many(self.parameters(number) for number in range(amount))


def campaign(server: Server, kind: TracingType = "skeleton", *, name: str = "p", team: str = "Default") -> Campaign:
    """Begin a campaign whose team may read its dataset, unless another team is named."""
    return Campaign(
        project=Project.create(name, team, expected_time=None),
        task_type=TaskType.create(f"trace {name}", "", team, kind),
        dataset_id=server.dataset(),
    )
