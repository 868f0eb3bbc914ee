from .groups import average_seeds as average_seeds
from .groups import compare_groups as compare_groups
from .groups import segment_attribution as segment_attribution
from .groups import territory_shares as territory_shares
from .occlusion import segment_occlusion as segment_occlusion
from .occlusion import wide_contribution as wide_contribution
