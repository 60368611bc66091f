"""Send-side bandwidth estimation for one subscribing transport, in the manner of Google congestion control.

`BandwidthEstimator` is fed with what was sent and with the browser's transport-wide feedback; see
draft-ietf-rmcat-gcc-02 and draft-holmer-rmcat-transport-wide-cc-extensions-01. Pure: no clock, no input or
output.
"""

from media_gateway.sfu.bandwidth.estimator import BandwidthEstimator
from media_gateway.sfu.bandwidth.probing import Probe

__all__ = ["BandwidthEstimator", "Probe"]
