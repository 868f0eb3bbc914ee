"""Weights of VGG16: of the package, of a file, or downloaded."""

import io
import socket

import h5py
import keras
import numpy as np
import pytest

from polarnet.network import build_model
from polarnet.network.weights import IMAGENET_URL, PACKAGED_BLOCKS, check_weights, vgg16_trunk


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No connection, and nothing that an earlier one fetched."""

    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))


@pytest.mark.parametrize("trunk", [None, *PACKAGED_BLOCKS])
@pytest.mark.parametrize("mode", ["frozen", "finetuned"])
def test_imagenet_needs_no_network_up_to_block_2(no_network, resolved, trunk, mode):
    """First value of block1_conv1 in the published ImageNet weights: 0.4294709 (Keras' file)."""
    built = build_model(resolved(weights="imagenet", trunk=trunk, mode=mode))
    kernel = built.get_layer("block1_conv1").get_weights()[0]
    assert kernel[0, 0, 0, 0] == pytest.approx(0.4294709, abs=1e-6)


def test_a_blocked_download_says_how_to_fetch_the_file(no_network, resolved):
    before = socket.getdefaulttimeout()
    told = r"could not be downloaded \(.*unreachable.*\)\. .*fetch https://\S+notop\.h5, copy the"
    with pytest.raises(ConnectionError, match=told) as caught:
        build_model(resolved(weights="imagenet", trunk="block3"))
    assert "\n" not in str(caught.value)
    assert socket.getdefaulttimeout() == before
    assert IMAGENET_URL.endswith("notop.h5")


def test_the_packaged_weights_are_260160_numbers():
    """By hand: 3 x 3 kernels of 3-64-64-128-128 channels, with biases."""
    layers = vgg16_trunk(keras.Input((32, 32, 3)), "imagenet", "block2")
    n = sum(layer.count_params() for layer in layers.values())
    assert n == 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128) + 64 + 64 + 128 + 128 == 260_160


@pytest.mark.realdata
def test_the_packaged_weights_are_those_of_keras_and_load_from_its_file(imagenet_weights, resolved):
    published = keras.applications.VGG16(include_top=False, weights=str(imagenet_weights))
    packaged = vgg16_trunk(keras.Input((32, 32, 3)), "imagenet", "block2")
    of_file = build_model(resolved(weights=str(imagenet_weights)))
    for name in ("block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"):
        expected = published.get_layer(name).get_weights()
        for layer in (packaged[name], of_file.get_layer(name)):
            assert all(map(np.array_equal, layer.get_weights(), expected))


def test_weights_from_a_file_arrive(tmp_path, resolved):
    keras.utils.set_random_seed(1)
    trunk = keras.applications.VGG16(include_top=False, weights=None)
    trunk.save_weights(tmp_path / "vgg.weights.h5")
    built = build_model(resolved(weights=str(tmp_path / "vgg.weights.h5")))
    found, expected = (m.get_layer("block2_conv2").get_weights()[0] for m in (built, trunk))
    np.testing.assert_array_equal(found, expected)


def hdf5(*, shape, link=None):
    """HDF5 with one array that takes no room in the file, or that lies in another."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if link:
            file["a"] = h5py.ExternalLink(link, "/a")
        else:
            file.create_dataset("a", shape, chunks=True, dtype="f4")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"no weights", "not a whole HDF5 file"), (bytes(1000), "not a whole HDF5 file"),
     (hdf5(shape=(2**20, 2**20)) + bytes(1000), "larger than the file"),
     (hdf5(shape=(), link="/etc/passwd"), "lie in another file")],
    ids=["text", "zeros", "larger than itself", "elsewhere"],
)  # fmt: skip
def test_a_file_whose_arrays_are_not_in_it_is_refused(resolved, tmp_path, content, told):
    with pytest.raises(ValueError, match=told):
        check_weights(content)
    path = tmp_path / "vgg16.weights.h5"
    with pytest.raises(FileNotFoundError, match=r"No weights file .*vgg16\.weights\.h5"):
        build_model(resolved(weights=path))
    path.write_bytes(content)
    with pytest.raises(ValueError, match="does not hold weights of VGG16"):
        build_model(resolved(weights=path))
