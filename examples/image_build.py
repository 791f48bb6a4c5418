from imagewright import ImageSpec, task, workflow

image = ImageSpec(
    packages=["numpy==1.26.4"],
)


@task(container_image=image)
def fn() -> int:
    import numpy as np

    x = np.array([1, 2, 3])
    return int(x.sum())


@workflow
def main() -> int:
    return fn()
