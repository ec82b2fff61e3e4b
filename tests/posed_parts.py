"""Pictures of a part in any pose: an L, which has an angle, or a ring, which has none."""

import cv2
import numpy as np

HEIGHT, WIDTH = 96, 128


def draw(seed=0, degrees=0.0, right=0.0, down=0.0, round_part=False):
    """A grey L on a dark ground, or a disc, turned about the centre and moved by pixels; uint8 [96, 128, 3]."""
    rng = np.random.default_rng(seed)
    grey = np.full((4 * HEIGHT, 4 * WIDTH), 40, np.float32)
    centre = np.array([2 * WIDTH, 2 * HEIGHT])
    if round_part:
        cv2.circle(grey, centre.tolist(), 100, 160, -1)
        cv2.circle(grey, centre.tolist(), 50, 90, -1)
    else:
        for corner, size in (((-70, -90), (50, 180)), ((-70, 40), (160, 50))):
            start = centre + corner
            cv2.rectangle(grey, start.tolist(), (start + size).tolist(), 160, -1)
    matrix = cv2.getRotationMatrix2D(((4 * WIDTH - 1) / 2, (4 * HEIGHT - 1) / 2), -degrees, 1.0)
    matrix[:, 2] += (4 * right, 4 * down)
    border = cv2.BORDER_REPLICATE
    grey = cv2.warpAffine(grey, matrix, grey.shape[::-1], borderMode=border)
    grey = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    grey += rng.normal(0, 3, grey.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
