"""The layers of Keras that change values in training only."""

from keras import layers as L

# Looked up by exact type. `RandomCrop` resizes, and `Masking` sets values to zero.
NOISE = (
    *(L.Dropout, L.SpatialDropout1D, L.SpatialDropout2D, L.SpatialDropout3D, L.AlphaDropout),
    *(L.GaussianDropout, L.GaussianNoise, L.ActivityRegularization),
    *(L.AugMix, L.CutMix, L.MixUp, L.RandAugment, L.RandomBrightness),
    *(L.RandomColorDegeneration, L.RandomColorJitter, L.RandomContrast, L.RandomElasticTransform),
    *(L.RandomErasing, L.RandomFlip, L.RandomGaussianBlur, L.RandomGrayscale, L.RandomHue),
    *(L.RandomInvert, L.RandomPerspective, L.RandomPosterization, L.RandomRotation),
    *(L.RandomSaturation, L.RandomSharpness, L.RandomShear, L.RandomTranslation, L.RandomZoom),
    L.Solarization,
)
