"""Debian's python3-kubernetes, unchanged, in a lab: typed calls, patches, watches, exec, logs."""
import sys
import time

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()
NS = "python"


def code_of(call):
    try:
        call()
        return 200
    except ApiException as error:
        return error.status


def until(what, seconds, look):
    end = time.time() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.time() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def ready_pod():
    def look():
        for pod in core.list_namespaced_pod(NS, label_selector="app=py").items:
            if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []):
                return pod.metadata.name

    return until("a ready Pod", 60, look)


def namespace():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NS)))


def config_map():
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one"), data={"a": "1", "b": "2"})
    made = core.create_namespaced_config_map(NS, body)
    assert made.metadata.uid
    # This client sends a strategic merge patch unless told otherwise.
    patched = core.patch_namespaced_config_map("one", NS, {"data": {"b": None, "c": "3"}})
    assert patched.data == {"a": "1", "c": "3"}, patched.data
    patched = core.patch_namespaced_config_map("one", NS, [{"op": "remove", "path": "/data/a"}])
    assert patched.data == {"c": "3"}, patched.data
    assert code_of(lambda: core.replace_namespaced_config_map("one", NS, made)) == 409
    core.delete_namespaced_config_map("one", NS)
    assert code_of(lambda: core.read_namespaced_config_map("one", NS)) == 404


def watching():
    seen = []
    version = core.list_namespaced_secret(NS).metadata.resource_version
    core.create_namespaced_secret(NS, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"}))
    core.delete_namespaced_secret("s", NS)
    for event in watch.Watch().stream(core.list_namespaced_secret, NS, resource_version=version, timeout_seconds=2):
        seen.append((event["type"], event["object"].metadata.name))
    assert seen == [("ADDED", "s"), ("DELETED", "s")], seen


def deployment():
    labels = {"app": "py"}
    pod = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels),
        spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="kontiki/demo")]),
    )
    spec = client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels=labels), template=pod)
    apps.create_namespaced_deployment(NS, client.V1Deployment(metadata=client.V1ObjectMeta(name="py"), spec=spec))
    ready_pod()
    apps.patch_namespaced_deployment_scale("py", NS, {"spec": {"replicas": 2}})
    until("two ready", 60, lambda: apps.read_namespaced_deployment_status("py", NS).status.ready_replicas == 2)


def execute():
    out = stream(
        core.connect_get_namespaced_pod_exec,
        ready_pod(),
        NS,
        command=["sh", "-c", "echo hello; exit 4"],
        stderr=True,
        stdin=False,
        stdout=True,
        tty=False,
        _preload_content=False,
    )
    out.run_forever(timeout=20)
    assert out.read_stdout() == "hello\n"
    assert out.returncode == 4, out.returncode


def logs():
    assert "listens on" in core.read_namespaced_pod_log(ready_pod(), NS, tail_lines=1)


def dynamic():
    from kubernetes import dynamic as dynamic_client

    api = dynamic_client.DynamicClient(client.ApiClient())
    resource = api.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dyn"}, "data": {"x": "y"}}
    assert resource.create(body=body, namespace=NS).data.x == "y"


def refusal():
    try:
        core.create_namespaced_config_map(NS, {"metadata": {"name": "Not Valid"}})
        raise AssertionError("accepted")
    except ApiException as error:
        assert error.status == 422 and '"reason":"Invalid"' in error.body, error.body


for name, check in [
    ("create a namespace", namespace),
    ("create, patch, conflict, delete", config_map),
    ("a watch", watching),
    ("a Deployment comes up and scales", deployment),
    ("exec", execute),
    ("logs", logs),
    ("the dynamic client", dynamic),
    ("refusals", refusal),
]:
    try:
        check()
        print(f"ok {name}")
    except Exception as error:  # each check is told of, whatever it threw
        print(f"not ok {name}: {type(error).__name__} {str(error)[:600]!r}")
sys.stdout.flush()
