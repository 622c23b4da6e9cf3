"""What readings tell of unknowns where the model is straight, by Fisher's information."""

import numpy as np


def spread(slopes, noise=1.0, prior=np.inf):
    """Posterior sds ``(n,)`` and correlations ``(n, n)`` for slopes ``(readings, n)``.

    `noise` is one sd, of all readings or of each; `prior` the sd of all unknowns or of each, none by default.
    """
    scaled = slopes / np.reshape(noise, (-1, 1))
    n = slopes.shape[1]
    covariance = np.linalg.inv(scaled.T @ scaled + np.diag(np.broadcast_to(1 / np.square(prior), n)))
    sd = np.sqrt(np.diag(covariance))
    return sd, covariance / np.outer(sd, sd)
