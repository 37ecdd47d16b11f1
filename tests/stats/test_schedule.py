"""What a chain of jobs takes on some machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.schedule import Task, makespan


def task(seconds, *after, threads=1, memory_mb=0.0):
    return Task(seconds, threads, memory_mb, after)


def test_a_chain_takes_the_sum_of_its_links():
    assert makespan([task(3), task(4, 0), task(5, 1)], nodes=9, cores=9) == 12


def test_jobs_that_do_not_need_each_other_share_the_machines():
    jobs = [task(10)] * 6
    assert makespan(jobs, nodes=1, cores=1) == 60
    assert makespan(jobs, nodes=3, cores=1) == 20
    assert makespan(jobs, nodes=1, cores=3) == 20


def test_memory_keeps_jobs_apart():
    jobs = [task(10, memory_mb=600.0)] * 2
    assert makespan(jobs, nodes=1, cores=2, memory_mb=1000) == 20
    assert makespan(jobs, nodes=2, cores=2, memory_mb=1000) == 10


def test_a_job_larger_than_a_machine_has_one_for_itself():
    jobs = [task(10, threads=64, memory_mb=9e9), task(5)]
    assert makespan(jobs, nodes=1, cores=4, memory_mb=1000) == 15


def test_the_longest_chain_is_begun_first():
    jobs = [task(5), task(1), task(9, 1)]
    assert makespan(jobs, nodes=1, cores=1) == 15
    assert makespan(jobs, nodes=2, cores=1) == 10


def test_a_job_that_waits_for_a_later_one_is_refused():
    with pytest.raises(ValueError, match="does not come before"):
        makespan([task(1, 1), task(1)], nodes=1, cores=1)


def test_no_job_takes_no_time():
    assert makespan([], nodes=1, cores=1) == 0


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=12),
    st.integers(1, 3),
    st.integers(1, 3),
    st.data(),
)
def test_the_time_lies_between_the_bounds_of_graham_1966(jobs, nodes, cores, data):
    tasks = []
    for i, (seconds, threads) in enumerate(jobs):
        after = data.draw(st.sets(st.integers(0, i - 1), max_size=2)) if i else set()
        tasks.append(task(seconds, *after, threads=min(threads, cores)))
    chain = [0] * len(tasks)
    for i, one in enumerate(tasks):
        chain[i] = one.seconds + max((chain[j] for j in one.after), default=0)
    work = sum(one.seconds * one.threads for one in tasks)
    found = makespan(tasks, nodes=nodes, cores=cores)
    assert max(*chain, work / (nodes * cores)) <= found <= sum(one.seconds for one in tasks)
