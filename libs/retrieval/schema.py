"""What a collection is made with: its vectors, its indexes, its links within a tenant."""

from qdrant_client import models

from libs.retrieval.collection import DENSE, SPARSE, VectorSettings


def vectors_config(settings: VectorSettings, dimensions: int) -> dict[str, models.VectorParams]:
    return {
        DENSE: models.VectorParams(
            size=dimensions,
            distance=models.Distance.COSINE,
            on_disk=settings.vector_on_disk,
            quantization_config=_quantization(settings),
        )
    }


def sparse_config() -> dict[str, models.SparseVectorParams]:
    return {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}


HNSW = models.HnswConfigDiff(m=0, payload_m=16, ef_construct=128)

PAYLOAD_INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    "chatbot": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "account": models.PayloadSchemaType.KEYWORD,
    "item": models.PayloadSchemaType.KEYWORD,
    "state": models.PayloadSchemaType.KEYWORD,
}


def _quantization(settings: VectorSettings) -> models.QuantizationConfig | None:
    if settings.vector_quantization == "scalar":
        return models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        )
    if settings.vector_quantization == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None
