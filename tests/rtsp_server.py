"""A real RTSP camera on loopback: GStreamer's server showing a moving test picture as H.264.

    /usr/bin/python3 tests/rtsp_server.py --port 0 --frames 100 --fps 10 --size 320x240

Prints the camera's URL when it is ready, and ends with the process that started it. Each client
sees the picture from its first frame; after `--frames` the stream ends. Needs the system's Python
with GStreamer: Debian's gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -ugly.
"""

import argparse
import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

#: Milliseconds between two looks at whether the parent is still there.
LOOK_MS = 200


def launch_line(*, frames: int, fps: int, width_px: int, height_px: int) -> str:
    """Describe the pipeline; without B-frames and with short groups a client sees it at once."""
    return (
        f"( videotestsrc is-live=true pattern=ball num-buffers={frames} "
        f"! video/x-raw,width={width_px},height={height_px},framerate={fps}/1 "
        "! timeoverlay "
        f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} "
        "! rtph264pay name=pay0 pt=96 config-interval=1 )"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one")
    parser.add_argument("--frames", type=int, default=-1, help="end after so many; -1 never")
    parser.add_argument("--fps", type=int, default=10, help="frames per second")
    parser.add_argument("--size", default="320x240", help="WIDTHxHEIGHT in pixels")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    width_px, height_px = map(int, asked.size.split("x"))
    Gst.init(None)
    if Gst.ElementFactory.find("x264enc") is None:
        sys.exit("x264enc is missing: install gstreamer1.0-plugins-ugly")
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(asked.port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        launch_line(frames=asked.frames, fps=asked.fps, width_px=width_px, height_px=height_px)
    )
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        sys.exit(f"port {asked.port} cannot be listened on")
    loop = GLib.MainLoop()
    parent = os.getppid()

    def look() -> bool:
        if os.getppid() != parent:
            loop.quit()
        return True

    GLib.timeout_add(LOOK_MS, look)
    sys.stdout.write(f"rtsp://127.0.0.1:{server.get_bound_port()}/camera\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
